"""POP3 clients that people use, against a real mailkit-pop3d."""

from __future__ import annotations

import itertools
import mailbox
import os
import poplib
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailkit.control import Home
from tests.harness import programs, servers
from tests.harness.homes import make_home, set_control

_names = itertools.count()
USER, PASSWORD = "alice@example.test", "secret"
SUBJECTS = ["first", "second", "dots and blanks"]

pytestmark = pytest.mark.neighbour


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = make_home(tmp_path_factory.mktemp("pop3") / "home", tls=True)
    set_control(home, "clearauth", "yes")
    set_control(home, "apop", "yes")
    return home


@pytest.fixture(scope="module")
def server(home: Home) -> Iterator[servers.Server]:
    with servers.serve(home, "pop3d", "pop3", "pop3s") as server:
        yield server


@pytest.fixture
def inbox(home: Home) -> Path:
    """Alice's Maildir, with the three messages in it."""
    maildir = Path(home.join("domains", "example.test", "alice", "Maildir"))
    for path in [*(maildir / "cur").iterdir(), *(maildir / "new").iterdir()]:
        path.unlink()
    for number, subject in enumerate(SUBJECTS):
        text = f"From: carol@example.net\nTo: {USER}\nSubject: {subject}\nMessage-ID: <{number}@example.net>\n\n.a\n..\n.\nend\n"
        # A name is never used again: it would bring the UID of the message that had it before.
        (maildir / "new" / f"{1700000000 + number}.M{next(_names)}P1.host").write_text(text)
    return maildir


def left(inbox: Path) -> int:
    return sum(1 for part in ("cur", "new") for _ in (inbox / part).iterdir())


def run(*words: object, **variables: str) -> str:
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, env={**os.environ, **variables}, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def subjects(mbox: Path) -> list[str]:
    box = mailbox.mbox(mbox)
    try:
        for message in box:
            assert message.get_payload().rstrip("\n").endswith(".a\n..\n.\nend")  # type: ignore[union-attr]
        return [message["Subject"] for message in box]
    finally:
        box.close()


def test_curl(server: servers.Server, inbox: Path) -> None:
    curl = programs.need("curl")
    words = [curl, "-sSk", "-u", f"{USER}:{PASSWORD}"]
    for tls, url in (
        (["--ssl-reqd"], f"pop3://127.0.0.1:{server.ports['pop3']}"),
        ([], f"pop3s://127.0.0.1:{server.ports['pop3s']}"),
        (["--login-options", "AUTH=+APOP"], f"pop3://127.0.0.1:{server.ports['pop3']}"),
        (["--login-options", "AUTH=PLAIN"], f"pop3://127.0.0.1:{server.ports['pop3']}"),
    ):
        assert "Subject: second" in run(*words, *tls, "--url", f"{url}/2")
        assert [line.split()[0] for line in run(*words, *tls, "--url", f"{url}/").splitlines()] == ["1", "2", "3"]
    run(*words, "-I", "-X", "DELE", "--url", f"pop3://127.0.0.1:{server.ports['pop3']}/2")
    assert left(inbox) == 2


def test_mpop_fetches_once(server: servers.Server, inbox: Path, tmp_path: Path) -> None:
    mpop = programs.need("mpop")
    words = [
        mpop, "--host=127.0.0.1", f"--port={server.ports['pop3']}", f"--user={USER}", "--passwordeval=echo secret",
        "--auth=user", "--tls=off", "--keep=on", f"--delivery=mbox,{tmp_path}/mbox", f"--uidls-file={tmp_path}/uidls",
        "--pipelining=on", "--received-header=off",
    ]  # fmt: skip
    run(*words)
    assert subjects(tmp_path / "mbox") == SUBJECTS
    run(*words)
    assert subjects(tmp_path / "mbox") == SUBJECTS
    run(*words, "--keep=off")
    assert left(inbox) == 0


def test_mpop_scram_over_tls(server: servers.Server, inbox: Path, tmp_path: Path) -> None:
    run(
        programs.need("mpop"), "--host=localhost", f"--port={server.ports['pop3']}", f"--user={USER}",
        "--passwordeval=echo secret", "--auth=scram-sha-256", "--tls=on", "--tls-starttls=on", "--tls-certcheck=off",
        "--tls-trust-file=", f"--delivery=mbox,{tmp_path}/mbox", f"--uidls-file={tmp_path}/uidls",
    )  # fmt: skip
    assert subjects(tmp_path / "mbox") == SUBJECTS


def test_fetchmail(server: servers.Server, inbox: Path, tmp_path: Path) -> None:
    rc = tmp_path / "fetchmailrc"
    rc.write_text(
        f"poll 127.0.0.1 protocol pop3 uidl service {server.ports['pop3']} user '{USER}' password {PASSWORD}"
        f" sslproto 'tls1.2+' no sslcertck keep mda 'cat >> {tmp_path}/mail; echo >> {tmp_path}/mail'\n"
    )
    rc.chmod(0o600)
    words = [programs.need("fetchmail"), "-f", rc, "-d0", "--nosyslog", "-i", tmp_path / "ids"]
    run(*words, FETCHMAILHOME=str(tmp_path))
    fetched = (tmp_path / "mail").read_text()
    assert [line[9:] for line in fetched.splitlines() if line.startswith("Subject: ")] == SUBJECTS
    assert fetched.count("\n.a\n..\n.\nend\n") == 3
    assert left(inbox) == 3


def test_fdm(server: servers.Server, inbox: Path, tmp_path: Path) -> None:
    configuration = tmp_path / "fdm.conf"
    configuration.write_text(
        f"set lock-file '{tmp_path}/lock'\n"
        f"account 'a' pop3 server '127.0.0.1' port {server.ports['pop3']} user '{USER}' pass '{PASSWORD}'\n"
        f"action 'keep' mbox '{tmp_path}/mbox'\nmatch all action 'keep'\n"
    )
    configuration.chmod(0o600)
    run(programs.need("fdm"), "-f", configuration, "-l", "fetch", HOME=str(tmp_path))
    assert sorted(subjects(tmp_path / "mbox")) == sorted(SUBJECTS)
    assert left(inbox) == 0


def test_poplib(server: servers.Server, inbox: Path) -> None:
    client = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=20)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client.stls(context)
    client.user(USER)
    client.pass_(PASSWORD)
    assert client.stat() == (3, sum(int(line.split()[1]) for line in client.list()[1]))
    assert client.retr(3)[1][-4:] == [b".a", b"..", b".", b"end"]
    assert client.top(1, 1)[1][-1] == b".a"
    client.dele(1)
    client.rset()
    client.quit()
    assert left(inbox) == 3
