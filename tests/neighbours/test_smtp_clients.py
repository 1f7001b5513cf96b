"""SMTP clients and servers that people use, sending real mail to a real mailkit-smtpd."""

from __future__ import annotations

import contextlib
import os
import shutil
import smtplib
import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.queue import listing
from mailkit.queue.entry import Envelope
from tests.harness import programs, servers
from tests.harness.homes import make_home, set_control
from tests.smtp.worlds import queued

USER, PASSWORD = "alice@example.test", "secret"
TEXT = "From: alice@example.test\nTo: bob@example.test\nSubject: hello\n\n.dots\n..\n.\nGrüße\n"

pytestmark = pytest.mark.neighbour


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = make_home(tmp_path_factory.mktemp("smtp") / "home", tls=True)
    set_control(home, "xclientfrom", "loopback")
    return home


@pytest.fixture(scope="module")
def server(home: Home) -> Iterator[servers.Server]:
    with servers.serve(home, "smtpd", "mx", "submission", "submissions", "lmtp") as server:
        yield server


@pytest.fixture(autouse=True)
def empty_queue(home: Home) -> None:
    for part in listing.DUE:
        for path in Path(home.queue, part).iterdir():
            path.unlink()


def run(*words: object, data: str = "", **variables: str) -> str:
    """Run a client; what it printed. It must succeed."""
    env = {**os.environ, **variables}
    done = subprocess.run(
        [str(word) for word in words], input=data, capture_output=True, text=True, env=env, timeout=60, check=False
    )
    assert done.returncode == 0, f"{words[0]} exited with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def only_message(home: Home) -> tuple[Envelope, str]:
    """The one message in the queue."""
    ((envelope, message),) = queued(home)
    return envelope, message.decode()


def insecure() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("service", ["submission", "submissions"])
def test_swaks_submits(service: str, mechanism: str, home: Home, server: servers.Server) -> None:
    tls = "--tls" if service == "submission" else "--tls-on-connect"
    swaks = [programs.need("swaks"), "--server", "127.0.0.1", "--port", server.ports[service], tls]
    auth = ["--auth", mechanism, "--auth-user", USER, "--auth-password", PASSWORD]
    run(*swaks, *auth, "--from", USER, "--to", "dave@elsewhere.example", "--data", "-", data=TEXT)
    envelope, message = only_message(home)
    assert envelope.params["with"] == "ESMTPSA" and envelope.params["auth"] == USER
    assert [one.address for one in envelope.recipients] == ["dave@elsewhere.example"]
    assert message.endswith("\n\n.dots\n..\n.\nGrüße\n\n")  # swaks adds a line end


def test_swaks_is_refused_with_a_wrong_password(home: Home, server: servers.Server) -> None:
    swaks = [programs.need("swaks"), "--server", "127.0.0.1", "--port", str(server.ports["submissions"])]
    auth = ["--tls-on-connect", "--auth", "PLAIN", "--auth-user", USER, "--auth-password", "wrong"]
    done = subprocess.run([*swaks, *auth, "--to", USER], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 28 and "535 5.7.8" in done.stdout
    assert queued(home) == []


def test_swaks_pipelines_to_mx(home: Home, server: servers.Server) -> None:
    words = ["--port", server.ports["mx"], "--pipeline", "--from", "carol@example.net", "--to", "bob@example.test"]
    run(programs.need("swaks"), "--server", "127.0.0.1", *words, "--data", "-", data=TEXT)
    assert only_message(home)[1].endswith("Grüße\n\n")


def test_swaks_speaks_lmtp(home: Home, server: servers.Server) -> None:
    words = ["--protocol", "LMTP", "--port", server.ports["lmtp"], "--from", "carol@example.net"]
    run(programs.need("swaks"), "--server", "127.0.0.1", *words, "--to", "bob@example.test,alice@example.test")
    envelope, _ = only_message(home)
    assert [one.address for one in envelope.recipients] == ["bob@example.test", "alice@example.test"]


def test_swaks_as_a_front_end(home: Home, server: servers.Server) -> None:
    words = [
        "--port",
        server.ports["mx"],
        "--xclient",
        "ADDR=198.51.100.7 NAME=client.example",
        "--to",
        "bob@example.test",
    ]
    run(programs.need("swaks"), "--server", "127.0.0.1", *words, "--from", "carol@example.net")
    envelope, message = only_message(home)
    assert envelope.sender == "carol@example.net"
    assert "(client.example [198.51.100.7])" in message


@pytest.mark.parametrize("service", ["submission", "submissions"])
def test_curl(service: str, home: Home, server: servers.Server, tmp_path: Path) -> None:
    (tmp_path / "message").write_text(TEXT.replace("\n", "\r\n"))
    scheme = "smtp" if service == "submission" else "smtps"
    curl = [programs.need("curl"), "-sS", "--ssl-reqd", "--insecure", f"{scheme}://127.0.0.1:{server.ports[service]}"]
    words = ["--user", f"{USER}:{PASSWORD}", "--mail-from", USER, "--mail-rcpt", "bob@example.test"]
    run(*curl, *words, "--upload-file", tmp_path / "message")
    envelope, message = only_message(home)
    assert envelope.sender == USER and " with ESMTPSA " in message
    assert message.endswith("\n\n.dots\n..\n.\nGrüße\n")


@pytest.mark.parametrize("mechanism", ["plain", "login", "scram-sha-1", "scram-sha-256"])
@pytest.mark.parametrize("service", ["submission", "submissions"])
def test_msmtp(service: str, mechanism: str, home: Home, server: servers.Server, tmp_path: Path) -> None:
    config = tmp_path / "msmtprc"
    starttls = "on" if service == "submission" else "off"
    config.write_text(
        f"account default\nhost 127.0.0.1\nport {server.ports[service]}\nfrom {USER}\nauth {mechanism}\nuser {USER}\n"
        f"password {PASSWORD}\ntls on\ntls_starttls {starttls}\ntls_certcheck off\n"
    )
    config.chmod(0o600)
    run(programs.need("msmtp"), "-C", config, "bob@example.test", data=TEXT)
    envelope, message = only_message(home)
    assert envelope.sender == USER and " with ESMTPSA " in message
    assert message.endswith("\n\n.dots\n..\n.\nGrüße\n")


def test_smtplib_submits_unicode_with_starttls(home: Home, server: servers.Server) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = USER, "bob@example.test", "grüße"
    message.set_content("Grüße\n.\n", cte="8bit")
    with smtplib.SMTP("127.0.0.1", server.ports["submission"], timeout=20) as client:
        client.starttls(context=insecure())
        client.login(USER, PASSWORD)
        client.send_message(message, mail_options=["SMTPUTF8", "BODY=8BITMIME"])
    envelope, text = only_message(home)
    assert envelope.params["with"] == "UTF8SMTPSA" and envelope.params["smtputf8"] == "yes"
    assert text.endswith("\nGrüße\n.\n")


def test_smtplib_over_implicit_tls(home: Home, server: servers.Server) -> None:
    with smtplib.SMTP_SSL("127.0.0.1", server.ports["submissions"], timeout=20, context=insecure()) as client:
        client.login(USER, PASSWORD)
        refused = client.sendmail(USER, ["bob@example.test", "nobody@example.test"], "Subject: x\n\nhi\n")
    assert refused["nobody@example.test"][0] == 550
    assert [one.address for one in only_message(home)[0].recipients] == ["bob@example.test"]


def test_nodemailer(home: Home, server: servers.Server) -> None:
    node = programs.need("node")
    place = "/usr/share/nodejs"
    if not os.path.isdir(f"{place}/nodemailer"):
        programs.absent("nodemailer (Debian's node-nodemailer) is not installed")
    script = """
        const [port, secure] = process.argv.slice(1);
        const transport = require('nodemailer').createTransport({
            host: '127.0.0.1', port: +port, secure: secure === 'yes', requireTLS: true,
            auth: {user: 'alice@example.test', pass: 'secret'}, tls: {rejectUnauthorized: false}});
        transport.sendMail({
            from: 'Alice <alice@example.test>', to: 'bob@example.test', bcc: 'dave@elsewhere.example',
            subject: 'grüße', text: '.dots\\n.\\n', attachments: [{filename: 'a.bin', content: Buffer.alloc(200000, 7)}]
        }).then(info => console.log(info.response), error => { console.error(error); process.exit(1); });
    """
    for service, secure in (("submission", "no"), ("submissions", "yes")):
        said = run(node, "-e", script, server.ports[service], secure, NODE_PATH=place)
        assert "250 2.0.0 queued as" in said
    for envelope, message in queued(home):
        assert sorted(one.address for one in envelope.recipients) == ["bob@example.test", "dave@elsewhere.example"]
        assert b"dave@" not in message and message.count(b"BwcHBwcH") > 3000


def wait_for(what: Callable[[], bool], timeout_s: float = 30) -> bool:
    """Look again until it is so, or the time is over."""
    pause = threading.Event()
    for _ in range(int(timeout_s / 0.05)):
        if what():
            return True
        pause.wait(0.05)
    return what()


MAIN_CF = """
compatibility_level = 3.6
queue_directory = {place}/spool
data_directory = {place}/data
maillog_file = /dev/stdout
maillog_file_prefixes = /dev
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = relay.example.net
mydestination =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtp_dns_support_level = disabled
smtp_tls_security_level = may
lmtp_tls_security_level = may
alias_maps =
alias_database =
relay_domains = example.test
transport_maps = inline:{{ bob@example.test=smtp:[127.0.0.1]:{mx}, alice@example.test=lmtp:inet:127.0.0.1:{lmtp} }}
"""
MASTER_CF = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"""


@contextlib.contextmanager
def postfix(ports: dict[str, int]) -> Iterator[int]:
    """A Postfix of our own that relays example.test to us; its port."""
    program = programs.need("postfix")
    if os.geteuid() != 0:
        programs.absent("Postfix starts only as root")
    # Its processes run as another user, who cannot look into pytest's directories.
    place = Path(tempfile.mkdtemp(prefix="mailkit-postfix-"))
    try:
        place.chmod(0o755)
        with socket.create_server(("127.0.0.1", 0)) as end:
            port = end.getsockname()[1]
        for name in ("conf", "spool", "data"):
            (place / name).mkdir()
        shutil.chown(place / "data", "postfix")
        (place / "conf" / "main.cf").write_text(MAIN_CF.format(place=place, mx=ports["mx"], lmtp=ports["lmtp"]))
        (place / "conf" / "master.cf").write_text(MASTER_CF.format(port=port))
        with (place / "log").open("wb") as log:
            words = [program, "-c", str(place / "conf")]
            process = subprocess.Popen([*words, "start-fg"], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            try:
                assert wait_for(lambda: answers(port)), (place / "log").read_text()
                yield port
            finally:
                print((place / "log").read_text())
                subprocess.run([*words, "stop"], capture_output=True, check=False)
                process.wait(30)
    finally:
        shutil.rmtree(place)


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


def test_postfix_relays_to_us_by_smtp_and_lmtp(home: Home, server: servers.Server) -> None:
    with postfix(server.ports) as port:
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            for to in ("bob@example.test", "alice@example.test"):
                client.sendmail(
                    "carol@example.net",
                    [to],
                    TEXT.replace("\n", "\r\n").encode(),
                    ["RET=HDRS", "ENVID=QQ1"],
                    ["NOTIFY=FAILURE"],
                )
        assert wait_for(lambda: len(queued(home)) == 2)
    found = {envelope.recipients[0].address: (envelope, message) for envelope, message in queued(home)}
    assert {address: envelope.params["with"] for address, (envelope, _) in found.items()} == {
        "bob@example.test": "ESMTPS",
        "alice@example.test": "LMTPS",
    }
    for envelope, message in found.values():
        assert (envelope.sender, envelope.params["ret"], envelope.params["envid"]) == (
            "carol@example.net",
            "HDRS",
            "QQ1",
        )
        assert envelope.recipients[0].params["notify"] == "FAILURE"
        assert message.endswith("\n\n.dots\n..\n.\nGrüße\n".encode()), message
