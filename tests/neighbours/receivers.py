"""Other people's mail servers, receiving on loopback: each keeps what it gets where a test can read it."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.harness import programs

_VUID = 5000  # numeric only: the machine need not know such a user


class Receiver:
    """A running server: `port`; `messages()` gives the octets of what it has taken, with LF line ends."""

    def __init__(self, port: int, directory: Path, messages: Callable[[], list[bytes]], tls: bool = True) -> None:
        self.port = port
        self.directory = directory
        self.tls = tls
        self._messages = messages

    def messages(self, count: int = 1) -> list[bytes]:
        """Wait until there are `count`; all there are."""
        return until(lambda: found if len(found := self._messages()) >= count else [], self.directory)


def until(condition: Callable[[], list[bytes]], about: object) -> list[bytes]:
    """Other programs cannot be waited for but by looking."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"nothing arrived: {about}")


def need_root() -> None:
    """These servers change users."""
    if os.getuid() != 0:
        programs.absent("this server must be started by root")


@contextlib.contextmanager
def open_directory() -> Iterator[Path]:
    """A directory that other users can reach, which pytest's are not; removed at the end."""
    directory = Path(tempfile.mkdtemp(prefix="mailkit-peer-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def started(command: list[str], port: int, log: Path, stop: list[str] | None = None) -> Iterator[None]:
    """Run a server until the block ends. It is up when its port answers."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        until(lambda: [b"up"] if _answers(port) else [], command)
        yield
    finally:
        if stop is not None:
            subprocess.run(stop, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        process.terminate()
        process.wait(20)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def certificate(directory: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    cert, key = directory / "cert.pem", directory / "key.pem"
    if not cert.exists():
        subprocess.run(
            [programs.need("openssl"), "req", "-x509", "-newkey", "rsa:2048"]
            + ["-nodes", "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
            + ["-keyout", str(key), "-out", str(cert)],
            check=True,
            capture_output=True,
        )
    return cert, key


def _maildir(path: Path) -> Callable[[], list[bytes]]:
    return lambda: [file.read_bytes() for file in sorted((path / "new").glob("*"))]


@contextlib.contextmanager
def sink(*options: str) -> Iterator[Receiver]:
    """smtp-sink of Postfix: takes everything."""
    with open_directory() as directory, _sink(directory, *options) as receiver:
        yield receiver


@contextlib.contextmanager
def _sink(directory: Path, *options: str) -> Iterator[Receiver]:
    program, port = programs.need("smtp-sink"), free_port()
    dump = directory / "dump"
    dump.mkdir()
    user = pwd.getpwuid(os.getuid()).pw_name
    if os.getuid() == 0:
        user = "nobody"
        os.chown(dump, pwd.getpwnam(user).pw_uid, -1)
    command = [program, "-u", user, "-d", f"{dump}/%H.", *options, f"127.0.0.1:{port}", "100"]

    def messages() -> list[bytes]:
        # The file begins with lines about the session, up to the trace field that it adds.
        whole = [file.read_bytes() for file in sorted(dump.glob("*"))]
        return [data.partition(b"X-Client-Addr")[2] for data in whole if data.endswith(b"\n\n")]

    with started(command, port, directory / "log"):
        yield Receiver(port, directory, messages)


@contextlib.contextmanager
def postfix() -> Iterator[Receiver]:
    """Postfix: TLS, DSN, CHUNKING, SMTPUTF8; anybody at example.net gets one Maildir, but for nobody@."""
    with open_directory() as directory, _postfix(directory) as receiver:
        yield receiver


@contextlib.contextmanager
def _postfix(directory: Path) -> Iterator[Receiver]:
    need_root()
    program, port = programs.need("postfix"), free_port()
    cert, key = certificate(directory)
    for name in ("spool", "data", "conf", "mail"):
        (directory / name).mkdir()
    os.chown(directory / "data", pwd.getpwnam("postfix").pw_uid, -1)
    os.chown(directory / "mail", _VUID, _VUID)
    (directory / "conf" / "main.cf").write_text(f"""\
compatibility_level = 3.6
queue_directory = {directory}/spool
data_directory = {directory}/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = /var/log/mailkit-test-postfix.log
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.example.net
mydestination =
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = check_recipient_access inline:{{nobody@example.net=REJECT}}
default_transport = error:nothing leaves this machine
relay_transport = error:nothing leaves this machine
smtpd_tls_cert_file = {cert}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = may
smtputf8_enable = yes
strict_smtputf8 = no
alias_maps =
alias_database =
virtual_mailbox_domains = example.net
virtual_mailbox_base = {directory}
virtual_mailbox_maps = static:mail/Maildir/
virtual_uid_maps = static:{_VUID}
virtual_gid_maps = static:{_VUID}
""")
    (directory / "conf" / "master.cf").write_text(f"""\
127.0.0.1:{port} inet n - n - - smtpd
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
proxymap  unix  - - n - - proxymap
error     unix  - - n - - error
retry     unix  - - n - - error
virtual   unix  - n n - - virtual
anvil     unix  - - n - 1 anvil
postlog   unix-dgram n - n - 1 postlogd
""")
    conf = ["-c", str(directory / "conf")]
    with started([program, *conf, "start-fg"], port, directory / "log", [program, *conf, "stop"]):
        yield Receiver(port, directory, _maildir(directory / "mail" / "Maildir"))


@contextlib.contextmanager
def exim() -> Iterator[Receiver]:
    """Exim: TLS, DSN, CHUNKING; keeps what it takes in its own queue."""
    with open_directory() as directory, _exim(directory) as receiver:
        yield receiver


@contextlib.contextmanager
def _exim(directory: Path, transport: str = "", main: str = "queue_only = true") -> Iterator[Receiver]:
    """`transport` is how it delivers, where it is to deliver at all."""
    need_root()
    program, port = programs.need("exim4"), free_port()
    try:
        owner = pwd.getpwnam("Debian-exim")
    except KeyError:
        programs.absent("there is no user Debian-exim")
        raise AssertionError("unreachable") from None
    cert, key = certificate(directory)
    spool = directory / "spool"
    spool.mkdir()
    for path in (spool, key):
        os.chown(path, owner.pw_uid, owner.pw_gid)
    conf = directory / "exim.conf"
    conf.write_text(f"""\
exim_path = {program}
spool_directory = {spool}
log_file_path = {spool}/%slog
pid_file_path = {directory}/pid
primary_hostname = mx.example.net
domainlist local_domains = example.net : example.test
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
tls_advertise_hosts = *
tls_certificate = {cert}
tls_privatekey = {key}
dsn_advertise_hosts = *
chunking_advertise_hosts = *
host_lookup =
rfc1413_query_timeout = 0s
acl_smtp_rcpt = acl_rcpt
acl_smtp_data = acl_data
{main}
keep_environment =
begin acl
acl_rcpt:
  deny local_parts = nobody
       message = no such user
  accept domains = +local_domains
  deny message = relay not permitted
acl_data:
  accept
begin routers
all:
  driver = accept
  transport = deliver
begin transports
deliver:
{transport or f"  driver = appendfile{os.linesep}  file = {directory}/mbox"}
begin retry
* * F,2h,15m
""")

    def messages() -> list[bytes]:
        found = []
        for body in sorted((spool / "input").glob("*-D")):
            head = body.with_name(body.name[:-1] + "H")
            if head.exists():
                # What the header file says of the envelope comes first, then an empty line.
                lines = head.read_bytes().partition(b"\n\n")[2]
                found.append(lines + b"\n" + body.read_bytes().partition(b"\n")[2])
        return found

    with started([program, "-C", str(conf), "-bdf", "-oX", f"127.0.0.1.{port}"], port, directory / "log"):
        yield Receiver(port, directory, messages)


@contextlib.contextmanager
def opensmtpd() -> Iterator[Receiver]:
    """OpenSMTPD: DSN; its queue and its helpers are where its package puts them. Without TLS, which fails in Debian 12's
    build with the OpenSSL it has."""
    with open_directory() as directory, _opensmtpd(directory) as receiver:
        yield receiver


@contextlib.contextmanager
def _opensmtpd(directory: Path, action: str = "") -> Iterator[Receiver]:
    """`action` is what it does with mail, where it is not to keep it; the table of its users is <users>."""
    need_root()
    program, port = programs.need("smtpd"), free_port()
    for name in ("opensmtpd", "opensmtpq"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            programs.absent(f"there is no user {name}")
    if not os.path.exists("/usr/libexec/opensmtpd/mail.mda"):
        programs.absent("OpenSMTPD's helpers are not in /usr/libexec/opensmtpd")
    for path in ("/var/lib/opensmtpd/empty", "/var/spool/smtpd"):
        os.makedirs(path, exist_ok=True)
    spool = directory / "spool"
    spool.mkdir()
    spool.chmod(0o711)
    mail = directory / "mail"
    mail.mkdir(mode=0o777)
    mail.chmod(0o777)
    keep = directory / "keep"
    keep.write_text(f"cat >{mail}/$$.tmp && mv {mail}/$$.tmp {mail}/$$\n")
    conf = directory / "smtpd.conf"
    conf.write_text(f"""\
table users {{ "@example.net" = "daemon" }}
table refused {{ "nobody@example.net" }}
listen on 127.0.0.1 port {port} hostname mx.example.net
action "deliver" {action or f'mda "sh {keep}" user daemon virtual <users>'}
match from any for rcpt-to <refused> reject
match from any for domain {{ "example.net", "example.test" }} action "deliver"
""")
    conf.chmod(0o600)
    # It looks every client up in the DNS before it greets: let it look in a hosts file only, in a mount namespace of
    # its own, so that no question leaves the machine. The queue's place is compiled in: this one's stays apart too.
    (directory / "resolv.conf").write_text("lookup file\n")
    mount = 'mount --bind "$1/resolv.conf" /etc/resolv.conf && mount --bind "$1/spool" /var/spool/smtpd'
    script = f'{mount} && exec "$2" -d -f "$1/smtpd.conf"'
    command = [programs.need("unshare"), "-m", "sh", "-c", script, "sh", str(directory), program]

    def messages() -> list[bytes]:
        return [file.read_bytes() for file in sorted(mail.glob("*")) if not file.name.endswith(".tmp")]

    with started(command, port, directory / "log"):
        yield Receiver(port, directory, messages, tls=False)
