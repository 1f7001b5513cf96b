"""Other people's programs hand mail to mailkit-local: Postfix in both ways, Exim, OpenSMTPD, fetchmail, mpop, getmail."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import smtplib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailkit.control import Home
from tests.deliver.homes import MESSAGE, mailbox, make
from tests.harness.homes import make_home
from tests.harness.programs import absent, need
from tests.harness.servers import ROOT, environment, program, serve
from tests.neighbours import receivers

pytestmark = pytest.mark.neighbour

USER = "daemon"  # exists everywhere and is not root


def python_for_others() -> str:
    """An interpreter that an ordinary user may start."""
    for path in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(OSError):
            command = [path, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
            if subprocess.run(command, user=USER, cwd="/", check=False).returncode == 0:
                return path
    absent(f"the user {USER} can start no Python 3.11")
    raise AssertionError("unreachable")


def ours(directory: Path, user: str = USER) -> tuple[Home, Path]:
    """A home that belongs to `user`, and a mailkit-local which that user can start."""
    shutil.copytree(ROOT / "mailkit", directory / "code" / "mailkit", ignore=shutil.ignore_patterns("__pycache__"))
    command = directory / "mailkit-local"
    command.write_text(
        f"#!/bin/sh\nPYTHONPATH={directory}/code exec {python_for_others()} -c "
        f"'import sys; from mailkit.programs.local import main; sys.exit(main())' --home {directory}/home \"$@\"\n"
    )
    command.chmod(0o755)
    home = make(directory / "home", f"alice bob {USER}", domains="example.test\nexample.net")
    passwd = Path(home.passwd)
    passwd.write_text(passwd.read_text() + "bob@example.net:{PLAIN}secret::::::\n")
    owner = pwd.getpwnam(user)
    for path in (directory / "home", *(directory / "home").rglob("*")):
        os.chown(path, owner.pw_uid, owner.pw_gid)
    return home, command


@contextlib.contextmanager
def postfix(main_cf: str, master_cf: str) -> Iterator[tuple[int, Home, Path]]:
    """A Postfix that takes mail for example.test, its port, and a home of ours that belongs to USER.

    `{local}` in the settings is the command line of mailkit-local.
    """
    receivers.need_root()
    postfix_program, port = need("postfix"), receivers.free_port()
    with receivers.open_directory() as directory:
        home, command = ours(directory)
        for name in ("spool", "data", "conf"):
            (directory / name).mkdir()
        os.chown(directory / "data", pwd.getpwnam("postfix").pw_uid, -1)
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
smtpd_relay_restrictions = permit_mynetworks, reject
default_transport = error:nothing leaves this machine
relay_transport = error:nothing leaves this machine
alias_maps =
alias_database =
minimal_backoff_time = 1s
queue_run_delay = 1s
{main_cf.replace("{local}", str(command))}
""")
        (directory / "conf" / "master.cf").write_text(f"""\
127.0.0.1:{port} inet n - n - - smtpd
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
proxymap  unix  - - n - - proxymap
error     unix  - - n - - error
retry     unix  - - n - - error
local     unix  - n n - - local
anvil     unix  - - n - 1 anvil
postlog   unix-dgram n - n - 1 postlogd
{master_cf.replace("{local}", str(command))}
""")
        conf = ["-c", str(directory / "conf")]
        with receivers.started(
            [postfix_program, *conf, "start-fg"], port, directory / "log", [postfix_program, *conf, "stop"]
        ):
            yield port, home, directory


def submit(port: int, *to: str, sender: str = "alice@example.net") -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.sendmail(sender, list(to), MESSAGE.replace(b"\n", b"\r\n"))


def submit_report(port: int, to: str, home: Home) -> None:
    """Mail from the null sender has it when it arrives."""
    user = to.removesuffix("@example.test")
    before = len(mailbox(home, user))
    submit(port, to, sender="")
    assert b"Return-Path: <>" in [message.partition(b"\n")[0] for message in arrived(home, user, before + 1)]


def arrived(home: Home, user: str, count: int = 1) -> list[bytes]:
    """Wait until there are so many messages."""
    return receivers.until(lambda: found if len(found := mailbox(home, user)) >= count else [], home.path)


def waiting(directory: Path, where: str) -> Callable[[], list[bytes]]:
    return lambda: [path.read_bytes() for path in (directory / "spool" / where).rglob("*") if path.is_file()]


PIPE = f"mailkit unix - n n - - pipe\n  flags=O user={USER} argv={{local}} -f ${{sender}} -d ${{recipient}}"


def test_postfix_as_a_pipe_transport() -> None:
    main_cf = (
        "mydestination =\nvirtual_mailbox_domains = example.test\n"
        "virtual_transport = mailkit\nmailkit_destination_recipient_limit = 1"
    )
    with postfix(main_cf, PIPE) as (port, home, directory):
        submit(port, "bob@example.test", "alice+tag@example.test")
        (message,) = arrived(home, "bob")
        lines = message.split(b"\n")
        assert lines[:2] == [b"Return-Path: <alice@example.net>", b"Delivered-To: bob@example.test"]
        assert b"\nSubject: hello\n" in message and message.endswith(b"\n\nbody\n")
        assert b"Delivered-To: alice+tag@example.test" in arrived(home, "alice")[0]
        submit_report(port, "bob@example.test", home)
        assert receivers.until(lambda: [] if waiting(directory, "active")() else [b"done"], directory)
        assert waiting(directory, "deferred")() == []


def test_postfix_bounces_the_unknown_and_keeps_what_may_pass() -> None:
    main_cf = (
        "mydestination =\nvirtual_mailbox_domains = example.test\nvirtual_transport = mailkit\n"
        "minimal_backoff_time = 1000s\nqueue_run_delay = 1000s"
    )
    with postfix(main_cf, PIPE) as (port, home, directory):
        log = Path("/var/log/mailkit-test-postfix.log")
        before = log.stat().st_size if log.exists() else 0

        def said(word: str) -> bytes:
            found = receivers.until(lambda: [word.encode()] if word.encode() in log.read_bytes()[before:] else [], word)
            return found[0]

        submit(port, "nobody@example.test")
        assert said(
            "status=bounced (user unknown. Command output: mailkit-local: nobody@example.test: no such user here"
        )
        Path(home.domains).write_text("not a directory")
        submit(port, "bob@example.test")
        assert said("status=deferred (temporary failure. Command output:")
        assert len(waiting(directory, "deferred")()) == 1


def test_postfix_as_mailbox_command() -> None:
    main_cf = "mydestination = example.test\nlocal_recipient_maps =\nmailbox_command = {local} -D -e"
    with postfix(main_cf, "") as (port, home, directory):
        submit(port, f"{USER}@example.test")
        (message,) = arrived(home, USER)
        assert message.startswith(f"Return-Path: <alice@example.net>\nDelivered-To: {USER}@example.test\n".encode())
        assert b"\nFrom alice@example.net" not in message
        submit_report(port, f"{USER}@example.test", home)
        assert waiting(directory, "deferred")() == []


# Exim and OpenSMTPD take what is for example.net (receivers.py).


def test_exim_as_a_pipe_transport() -> None:
    with receivers.open_directory() as directory:
        receivers.need_root()
        need("exim4")
        user = "Debian-exim"  # an Exim that was started with -C runs everything as itself
        home, command = ours(directory, user)
        transport = (
            f"  driver = pipe\n  command = {command} -e\n"
            f"  user = {user}\n  message_prefix =\n  message_suffix =\n  return_fail_output\n  temp_errors = 75"
        )
        with receivers._exim(directory, transport, "deliver_drop_privilege = true") as exim:
            submit(exim.port, "bob@example.net")
            (message,) = arrived(home, "bob@example.net")
            assert message.startswith(b"Return-Path: <alice@example.net>\nDelivered-To: bob@example.net\n")
            assert message.endswith(b"\n\nbody\n")
            submit_report(exim.port, "bob@example.net", home)
            submit(exim.port, "stranger@example.net")  # refused for good: bounced, to a sender who is a stranger too
            log = directory / "spool" / "mainlog"
            receivers.until(lambda: [b"y"] if b"** stranger@example.net" in log.read_bytes() else [], log)
            Path(home.domains).rename(directory / "away")
            Path(home.domains).write_text("not a directory")
            submit(exim.port, "bob@example.net")
            receivers.until(lambda: [b"y"] if b"== bob@example.net" in log.read_bytes() else [], log)
            assert len(exim.messages()) >= 1  # still in Exim's queue


def test_opensmtpd_as_an_mda() -> None:
    with receivers.open_directory() as directory:
        receivers.need_root()
        need("smtpd")
        home, command = ours(directory)
        mda = f"mda \"{command} -D -f '<%{{sender}}>' -d %{{rcpt}}\" user {USER} virtual <users>"
        with receivers._opensmtpd(directory, mda) as opensmtpd:
            submit(opensmtpd.port, "bob@example.net")
            (message,) = arrived(home, "bob@example.net")
            assert message.startswith(b"Return-Path: <alice@example.net>\nDelivered-To: bob@example.net\n")
            assert message.endswith(b"\n\nbody\n")
            submit_report(opensmtpd.port, "bob@example.net", home)
            submit(opensmtpd.port, "stranger@example.net")
            log = directory / "log"
            receivers.until(lambda: [b"y"] if b"result=PermFail" in log.read_bytes() else [], log)
            Path(home.domains).rename(directory / "away")
            Path(home.domains).write_text("not a directory")
            submit(opensmtpd.port, "bob@example.net")
            receivers.until(lambda: [b"y"] if b"result=TempFail" in log.read_bytes() else [], log)


def fetch_home(tmp_path: Path) -> Home:
    """alice has a message to be fetched, bob has none."""
    home = make_home(tmp_path)
    (tmp_path / "control" / "clearauth").write_text("yes\n")
    new = Path(home.domains, "example.test", "alice", "Maildir", "new")
    (new / "1700000000.M1P1.host").write_bytes(MESSAGE)
    return home


def test_fetchmail(tmp_path: Path) -> None:
    fetchmail = need("fetchmail")
    home = fetch_home(tmp_path)
    mda = " ".join(program("local", "--home", home.path, "-f", "%F", "-d", "bob@example.test"))
    with serve(home, "pop3d", "pop3") as server:
        rc = tmp_path / "fetchmailrc"
        rc.write_text(
            f"poll 127.0.0.1 protocol pop3 service {server.ports['pop3']}\n"
            f'user "alice@example.test" password "secret" sslproto "" mda "{mda}"\n'
        )
        rc.chmod(0o600)
        done = subprocess.run(
            [fetchmail, "-f", str(rc), "-d0", "--nosyslog"],
            env={**environment(), "FETCHMAILHOME": str(tmp_path)},
            capture_output=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    (message,) = mailbox(home, "bob")
    assert message.startswith(b"Return-Path: <alice@example.net>\nDelivered-To: bob@example.test\n")
    assert message.endswith(b"Subject: hello\n\nbody\n")
    assert mailbox(home, "alice") == []


def test_mpop(tmp_path: Path) -> None:
    mpop = need("mpop")
    home = fetch_home(tmp_path)
    mda = " ".join(program("local", "--home", home.path, "-d", "bob@example.test"))
    with serve(home, "pop3d", "pop3") as server:
        done = subprocess.run(
            [mpop, "--host=127.0.0.1", f"--port={server.ports['pop3']}", "--user=alice@example.test"]
            + ["--passwordeval=echo secret", "--auth=user", "--tls=off", f"--delivery=mda,{mda}"]
            + ["--keep=off", f"--uidls-file={tmp_path}/uidls"],
            env={**environment(), "HOME": str(tmp_path)},
            capture_output=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    (message,) = mailbox(home, "bob")
    assert message.endswith(b"Subject: hello\n\nbody\n")
    assert b"\r" not in message


@pytest.mark.parametrize(("kind", "server_program", "service"), [("POP3", "pop3d", "pop3"), ("IMAP", "imapd", "imap")])
def test_getmail(kind: str, server_program: str, service: str, tmp_path: Path) -> None:
    getmail = need("getmail")
    home = fetch_home(tmp_path)
    path, *words = program("local", "--home", home.path, "-f", "%(sender)", "-d", "bob@example.test")
    with serve(home, server_program, service) as server:
        rc = tmp_path / "getmailrc"
        rc.write_text(
            f"[retriever]\ntype = Simple{kind}Retriever\nserver = 127.0.0.1\n"
            f"port = {server.ports[service]}\nusername = alice@example.test\npassword = secret\n"
            f"[destination]\ntype = MDA_external\npath = {path}\narguments = {tuple(words)!r}\nallow_root_commands = true\n"
            "[options]\ndelete = true\n"
        )
        done = subprocess.run(
            [getmail, "--getmaildir", str(tmp_path), "--rcfile", str(rc)],
            env=environment(),
            capture_output=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    (message,) = mailbox(home, "bob")
    assert b"\nSubject: hello\n" in message and message.endswith(b"\n\nbody\n")  # it adds where it found it
    assert mailbox(home, "alice") == []
