"""Programs people read mail with, against a real mailkit-imapd on a real socket."""

from __future__ import annotations

import asyncio
import imaplib
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailkit.control import Home
from tests.harness import programs, servers
from tests.harness.homes import make_home, set_control
from tests.harness.waits import readable
from tests.imap import mailboxes

pytestmark = pytest.mark.neighbour

ALICE = "alice@example.test"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = make_home(tmp_path / "home", tls=True)
    set_control(made, "clearauth", "yes")
    mailboxes.fill(made)
    return made


@pytest.fixture
def server(home: Home) -> Iterator[servers.Server]:
    with servers.serve(home, "imapd", "imap", "imaps") as running:
        yield running


def run(*command: str, home: Path, **more: object) -> subprocess.CompletedProcess[bytes]:
    """Run a client in an environment of its own."""
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "TERM": "vt100", "LC_ALL": "C.UTF-8"}
    return subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False, **more)  # type: ignore[call-overload,no-any-return]


def inbox(home: Home) -> list[str]:
    """Names of the messages in alice's INBOX."""
    maildir = Path(mailboxes.inbox(home))
    return sorted(path.name for part in ("cur", "new") for path in (maildir / part).iterdir())


def test_curl_lists_reads_searches_and_appends(server: servers.Server, home: Home, tmp_path: Path) -> None:
    curl = programs.need("curl")
    url = f"imap://127.0.0.1:{server.ports['imap']}/"
    message = tmp_path / "new.eml"
    message.write_bytes(b"Subject: from curl\r\n\r\nhello\r\n")
    login = ("-sS", "-u", f"{ALICE}:secret")
    assert b'"/" INBOX' in run(curl, *login, "--url", url, home=tmp_path).stdout
    body = run(curl, *login, "--url", url + "INBOX;MAILINDEX=1", home=tmp_path)
    assert body.stdout == mailboxes.PLAIN.replace(b"\n", b"\r\n"), body.stderr
    sent = run(curl, *login, "--url", url + "INBOX", "-T", str(message), home=tmp_path)
    assert sent.returncode == 0, sent.stderr
    found = run(curl, *login, "--url", url + "INBOX", "-X", "SEARCH SUBJECT curl", home=tmp_path)
    assert found.stdout.strip() == b"* SEARCH 4"


def test_curl_over_tls(server: servers.Server, tmp_path: Path) -> None:
    curl = programs.need("curl")
    for scheme, name in (("imaps", "imaps"), ("imap", "imap")):
        url = f"{scheme}://127.0.0.1:{server.ports[name]}/INBOX;MAILINDEX=1"
        done = run(curl, "-sS", "-k", "--ssl-reqd", "-u", f"{ALICE}:secret", "--url", url, home=tmp_path)
        assert b"Subject: first" in done.stdout, done.stderr


def test_mbsync_keeps_both_sides_alike(server: servers.Server, home: Home, tmp_path: Path) -> None:
    mbsync = programs.need("mbsync")
    (tmp_path / "mail").mkdir()
    rc = tmp_path / "mbsyncrc"
    rc.write_text(f"""\
IMAPAccount far
Host 127.0.0.1
Port {server.ports["imap"]}
User {ALICE}
Pass secret
SSLType None
AuthMechs LOGIN

IMAPStore far
Account far

MaildirStore near
Path {tmp_path}/mail/
Inbox {tmp_path}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
""")

    def sync(*options: str) -> bytes:
        done = run(mbsync, *options, "-c", str(rc), "-a", home=tmp_path)
        assert done.returncode == 0, done.stderr.decode() + server.log
        return done.stdout + done.stderr

    assert b"COMPRESS DEFLATE" in sync("-Dn")
    near = tmp_path / "mail" / "INBOX"
    paths = [path for part in ("cur", "new") for path in (near / part).iterdir()]
    assert len(paths) == 3
    (first,) = [path for path in paths if b"Subject: first" in path.read_bytes()]
    (second,) = [path for path in paths if b"Subject: =?utf-8" in path.read_bytes()]
    # mbsync adds a field of its own.
    lines = first.read_bytes().splitlines(keepends=True)
    assert b"".join(line for line in lines if not line.startswith(b"X-TUID: ")) == mailboxes.PLAIN
    # Here: a flag is set, a message removed, one added, a folder made. There: a flag, a message that arrives.
    first.rename(first.with_name(first.name + "F"))
    second.unlink()
    (near / "new" / "1700000000.1.near").write_bytes(b"Subject: written here\n\nnear\n")
    (there,) = Path(mailboxes.inbox(home), "cur").glob("*M5P1*")
    there.rename(there.with_name(there.name.replace(":2,", ":2,R")))
    Path(mailboxes.inbox(home), "new", "1700000000.M1P1.far").write_bytes(b"Subject: arrived there\n\nfar\n")
    sync()
    subjects = [b"Subject: written here", b"Subject: arrived there", b"Subject: first", b"Subject: third"]
    here = [path.read_bytes() for part in ("cur", "new") for path in (near / part).iterdir()]
    assert len(here) == 4
    assert all(any(subject in message for message in here) for subject in subjects)
    assert len(inbox(home)) == 4
    assert any("M1P1" in name and name.endswith(":2,FS") for name in inbox(home))
    assert any("R" in path.name.partition(":2,")[2] for path in (near / "cur").iterdir())
    sync()
    assert len(inbox(home)) == 4


@pytest.mark.parametrize("program", ["mutt", "neomutt"])
def test_mutt_shows_and_saves(program: str, server: servers.Server, home: Home, tmp_path: Path) -> None:
    mutt = programs.need(program)
    script = programs.need("script")
    saved = tmp_path / "saved"
    rc = tmp_path / "muttrc"
    rc.write_text(f"""\
set folder=imap://127.0.0.1:{server.ports["imap"]}/ imap_user={ALICE} imap_pass=secret
set spoolfile=+INBOX ssl_starttls=no ssl_force_tls=no mbox_type=mbox confirmappend=no move=no record=""
set header_cache="" wait_key=no quit=yes delete=yes
""")
    keys = f"<tag-pattern>~A<enter><tag-prefix><copy-message>{saved}<enter><enter><first-entry><delete-message><sync-mailbox><exit>"
    done = run(
        script, "-qec", f"{mutt} -n -F {rc} -e 'push {keys}'", "/dev/null", home=tmp_path, stdin=subprocess.DEVNULL
    )
    assert saved.exists(), done.stdout[-2000:] + server.log.encode()
    assert saved.read_bytes().count(b"\nSubject: ") == 4  # three messages, one with a message inside
    assert len(inbox(home)) == 2


def test_fetchmail_takes_what_is_unseen(server: servers.Server, home: Home, tmp_path: Path) -> None:
    fetchmail = programs.need("fetchmail")
    taken = tmp_path / "taken"
    rc = tmp_path / "fetchmailrc"
    rc.write_text(f"""\
poll 127.0.0.1 protocol imap service {server.ports["imap"]} auth password user "{ALICE}" password "secret"
sslproto "" keep mda "cat >> {taken}"
""")
    rc.chmod(0o600)
    done = run(fetchmail, "-f", str(rc), "-d0", "--nosyslog", "-i", str(tmp_path / "ids"), home=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert taken.read_bytes().count(b"\nSubject: ") == 3
    assert all("S" in name.partition(":2,")[2] for name in inbox(home))


def test_imaplib(server: servers.Server, home: Home) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with imaplib.IMAP4("127.0.0.1", server.ports["imap"]) as client:
        client.starttls(context)
        client.authenticate("PLAIN", lambda _: f"\0{ALICE}\0secret".encode())
        assert client.select("INBOX") == ("OK", [b"3"])
        status, data = client.append("INBOX", "(\\Seen)", imaplib.Time2Internaldate(1e9), b"Subject: x\r\n\r\ny\r\n")
        assert (status, client.response("EXISTS")[1][-1:]) == ("OK", [b"4"]), data
        assert client.uid("FETCH", "6", "(FLAGS RFC822.SIZE)")[1] == [b"4 (UID 6 FLAGS (\\Seen) RFC822.SIZE 17)"]
        assert client.search(None, "UNSEEN")[1] == [b"2 3"]
        client.store("1", "+FLAGS", "(\\Deleted)")
        assert client.expunge()[1] == [b"1"]
        assert client.create("Box")[0] == "OK"
        assert client.uid("MOVE", "6", "Box")[0] == "OK"
        assert client.status("Box", "(MESSAGES)")[1] == [b"Box (MESSAGES 1)"]
    assert len(inbox(home)) == 2


def test_imaplib_shares_a_folder(server: servers.Server) -> None:
    def logged_in(name: str) -> imaplib.IMAP4:
        client = imaplib.IMAP4("127.0.0.1", server.ports["imap"])
        client.login(name, "secret")
        return client

    shared = f'"Other Users/{ALICE}/Archive"'
    with logged_in(ALICE) as alice, logged_in("bob@example.test") as bob:
        assert {b"ACL", b"RIGHTS=kxte"} <= set(alice.capability()[1][0].split())
        assert alice.setacl("Archive", "bob@example.test", "lrs")[0] == "OK"
        assert alice.getacl("Archive")[1] == [f"Archive {ALICE} lrwstipekxacd bob@example.test lrs".encode()]
        assert bob.namespace()[1] == [b'(("" "/")) (("Other Users/" "/")) (("Public/" "/"))']
        assert f'(\\HasNoChildren) "/" {shared}'.encode() in bob.list()[1]
        assert bob.myrights(shared)[1] == [f"{shared} lrs".encode()]
        assert bob.select(shared)[0] == "OK"
        assert bob.append(shared, None, None, b"x")[0] == "NO"
        assert alice.deleteacl("Archive", "bob@example.test")[0] == "OK"
        assert bob.myrights(shared)[0] == "NO"
        assert alice.xatom("SETMETADATA", "INBOX", '(/private/comment "mine")')[0] == "OK"
        assert alice.xatom("GETMETADATA", "INBOX", "/private/comment")[0] == "OK"
        assert alice.response("METADATA")[1] == [b'INBOX (/private/comment "mine")']


def test_imapclient(server: servers.Server) -> None:
    try:
        import imapclient  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        programs.absent("the Python package imapclient is not installed")
    with imapclient.IMAPClient("127.0.0.1", port=server.ports["imap"], ssl=False, use_uid=True) as client:
        client.login(ALICE, "secret")
        assert client.has_capability("MOVE")
        assert client.select_folder("INBOX")[b"UIDVALIDITY"] == 12345
        fetched = client.fetch([1, 2, 5], ["ENVELOPE", "BODYSTRUCTURE", "FLAGS", "INTERNALDATE", "RFC822.SIZE"])
        assert fetched[2][b"ENVELOPE"].subject == b"=?utf-8?q?Gr=C3=BC=C3=9Fe?= with parts"
        assert fetched[2][b"BODYSTRUCTURE"].is_multipart
        assert client.search(["FROM", "carol"]) == [1]
        assert client.add_flags([1], [b"$Label1"])[1] == (b"\\Seen", b"$Label1")
        names = {name: flags for flags, _, name in client.list_folders()}
        assert b"\\Sent" in names["Sent"]
        client.create_folder("Entwürfe & mehr")
        assert client.folder_exists("Entwürfe & mehr")
        assert client.folder_status("INBOX", ["MESSAGES", "UNSEEN"]) == {b"MESSAGES": 3, b"UNSEEN": 2}


def test_aioimaplib(server: servers.Server) -> None:
    try:
        import aioimaplib  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        programs.absent("the Python package aioimaplib is not installed")

    async def talk() -> None:
        client = aioimaplib.IMAP4(host="127.0.0.1", port=server.ports["imap"], timeout=10)
        await client.wait_hello_from_server()
        assert (await client.login(ALICE, "secret")).result == "OK"
        assert (await client.select("INBOX")).result == "OK"
        assert (await client.search("UNSEEN")).lines[0] == b"2 3"
        await client.idle_start(timeout=10)
        client.idle_done()
        fetched = await client.fetch("1", "(UID BODY.PEEK[TEXT])")
        assert b"Hello alice,\r\nthis is the first.\r\n" in fetched.lines
        await client.logout()
        client.protocol.transport.close()  # it leaves that to the server, which may be slower than the end of the loop

    asyncio.run(talk())


def test_mbsync_over_a_pipe(home: Home, tmp_path: Path) -> None:
    mbsync = programs.need("mbsync")
    command = " ".join(servers.program("imapd", "--home", home.path, "--user", ALICE))
    environment = " ".join(f"{key}={value}" for key, value in servers.environment().items() if key.startswith("PYTHON"))
    rc = tmp_path / "mbsyncrc"
    rc.write_text(f"""\
IMAPStore far
Tunnel "env {environment} {command}"

MaildirStore near
Path {tmp_path}/
Inbox {tmp_path}/INBOX

Channel all
Far :far:
Near :near:
Create Near
SyncState *
""")
    done = run(mbsync, "-c", str(rc), "all", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sum(1 for part in ("cur", "new") for _ in (tmp_path / "INBOX" / part).iterdir()) == 3


def test_push_within_a_moment(server: servers.Server, home: Home) -> None:
    with socket.create_connection(("127.0.0.1", server.ports["imap"]), 10) as client:
        stream = client.makefile("rwb")
        for line in (f"a LOGIN {ALICE} secret", "b SELECT INBOX", "c IDLE"):
            stream.write(line.encode() + b"\r\n")
            stream.flush()
            while not stream.readline().startswith((line[:2].encode() + b"OK", b"+ ")):
                pass
        arrival = Path(mailboxes.inbox(home), "tmp", "1700000000.M1P1.far")
        arrival.write_bytes(b"Subject: push\n\n")
        threading.Thread(target=lambda: arrival.rename(arrival.parents[1] / "new" / arrival.name)).start()
        assert readable(client.fileno(), 10)
        assert stream.readline() == b"* 4 EXISTS\r\n"


def test_one_connection_as_inetd_and_ssh_start_it(home: Home) -> None:
    answer, log, status = servers.converse(home, "imapd", b"a SELECT INBOX\r\nb LOGOUT\r\n", "--user", ALICE)
    assert answer.startswith(b"* PREAUTH ")
    assert answer.endswith(b"b OK LOGOUT completed\r\n"), log
    assert status == 0
    answer, _, status = servers.converse(home, "imapd", b"", "--user", "nobody@example.test")
    assert (answer, status) == (b"", 100)
