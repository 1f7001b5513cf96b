"""Mail programs of people who have a uid of their own, against servers that become them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailkit.control import Home
from tests.confine.sites import GID, PASSWORD, UID, own, owners, served_by, site, until
from tests.harness import programs, servers
from tests.neighbours.test_imap_clients import run

pytestmark = [
    pytest.mark.neighbour,
    pytest.mark.skipif(os.getuid() != 0, reason="becoming another user needs root"),
]

CAROL = "carol@example.test"


@pytest.fixture
def home() -> Iterator[Home]:
    with site() as made:
        yield made


def theirs(path: Path) -> Path:
    """A directory the user may write."""
    path.mkdir()
    os.chown(path, UID, GID)
    return path


def test_curl_stores_and_reads(home: Home, tmp_path: Path) -> None:
    curl = programs.need("curl")
    message = tmp_path / "new.eml"
    message.write_bytes(b"Subject: from curl\r\n\r\nhello\r\n")
    with servers.serve(home, "imapd", "imaps") as server:
        url = f"imaps://127.0.0.1:{server.ports['imaps']}/INBOX"
        login = ("-sS", "-k", "-u", f"{CAROL}:{PASSWORD}")
        sent = run(curl, *login, "--url", url, "-T", str(message), home=tmp_path)
        assert sent.returncode == 0, sent.stderr + server.log.encode()
        read = run(curl, *login, "--url", f"{url};MAILINDEX=1", home=tmp_path)
        assert read.stdout == message.read_bytes()
        until(lambda: served_by(UID) == [])
    assert owners(own(home)) == {(UID, GID, 0)}


def test_mbsync_keeps_both_sides_alike(home: Home, tmp_path: Path) -> None:
    mbsync = programs.need("mbsync")
    local = theirs(tmp_path / "mail")
    rc = tmp_path / "mbsyncrc"
    with servers.serve(home, "imapd", "imaps") as server:
        rc.write_text(
            f"IMAPAccount a\nHost 127.0.0.1\nPort {server.ports['imaps']}\nUser {CAROL}\nPass {PASSWORD}\n"
            f"SSLType IMAPS\nSSLVersions TLSv1.2\nCertificateFile {home.tls}/mail.example.test/cert.pem\n\n"
            f"IMAPStore far\nAccount a\n\nMaildirStore near\nPath {local}/\nInbox {local}/INBOX\n\n"
            "Channel c\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Near\nSync All\nExpunge Both\n"
        )
        (own(home) / "Maildir" / "new").mkdir(parents=True)
        for path in (own(home) / "Maildir", own(home) / "Maildir" / "new"):
            os.chown(path, UID, GID)
            path.chmod(0o700)
        for i in range(20):
            path = own(home) / "Maildir" / "new" / f"{i}.M1P{i}.host"
            path.write_bytes(b"Subject: %d\n\nx\n" % i)
            path.chmod(0o600)
            os.chown(path, UID, GID)
        done = run(mbsync, "-c", str(rc), "c", home=tmp_path)
        assert done.returncode == 0, done.stderr + server.log.encode()
    assert len([*local.glob("INBOX/*/*")]) == 20
    assert owners(own(home)) == {(UID, GID, 0)}


def test_fetchmail_takes_it_over_pop3(home: Home, tmp_path: Path) -> None:
    fetchmail = programs.need("fetchmail")
    (own(home) / "Maildir" / "new").mkdir(parents=True)
    message = own(home) / "Maildir" / "new" / "1.M1P1.host"
    message.write_bytes(b"From: a@example.net\nSubject: x\n\nhello\n")
    for path in (own(home) / "Maildir", message.parent, message):
        os.chown(path, UID, GID)
    got = tmp_path / "got"
    rc = tmp_path / "fetchmailrc"
    with servers.serve(home, "pop3d", "pop3s") as server:
        rc.write_text(
            f'poll 127.0.0.1 port {server.ports["pop3s"]} protocol pop3 user "{CAROL}" password "{PASSWORD}" '
            f'ssl no sslcertck mda "cat >> {got}"\n'
        )
        rc.chmod(0o600)
        done = run(fetchmail, "-f", str(rc), "-s", "--nosyslog", "--pidfile", str(tmp_path / "pid"), home=tmp_path)
        assert done.returncode == 0, done.stderr + server.log.encode()
    assert b"hello" in got.read_bytes()
    assert [path for path in (own(home) / "Maildir").glob("*/*") if path.name.startswith("1.")] == []
