"""SEARCH with the full-text index answers what SEARCH without it does, and the index comes by itself."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit import files
from mailkit.control import Home
from mailkit.fulltext import store
from mailkit.fulltext.store import Store
from mailkit.imap.searching import filling, narrowing
from mailkit.imap.searching.filling import Filling
from mailkit.imap.session import session
from mailkit.maildir import folder as folders
from mailkit.maildir.folder import Folder
from mailkit.net.conn import Timeout
from mailkit.users.passwd import Passwd
from tests.harness.homes import set_control
from tests.harness.transcript import FakeConn, replay, run
from tests.imap import mailboxes
from tests.imap.pair import Client
from tests.mail.soup import octets

SILENCE = Timeout()


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three messages are worth an index."""
    monkeypatch.setattr(narrowing, "LEAST", 1)
    monkeypatch.setattr(filling, "LEAST", 1)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return mailboxes.make(tmp_path)


def fill(directory: str) -> None:
    """Put everything into the index."""
    folder = folders.open(directory)
    folder.view(readonly=True).close()
    work = Filling(folder)
    while work.advance(1):
        pass
    work.close()
    folder.close()


def covered(home: Home) -> set[int]:
    folder = folders.open(mailboxes.inbox(home))
    try:
        return Store(folder.directory, folder.uidvalidity).covered()
    finally:
        folder.close()


def talk(home: Home, *said: object) -> str:
    """What the server says to a client that sends octets and is silent at times."""
    return converse(home, iter([b"s SELECT INBOX\r\n", *said]))


def converse(home: Home, incoming: Iterator[object]) -> str:
    conn = FakeConn(incoming, service="imap", peer="", can_starttls=False)
    run(session(conn, home, Passwd(home).lookup("alice@example.test")))
    return bytes(conn.output).decode("utf-8", "surrogateescape")


@pytest.mark.parametrize("name", ["search", "esearch"])
def test_the_search_transcripts_with_the_index(home: Home, name: str) -> None:
    def fresh() -> None:
        mailboxes.fill(home)
        fill(mailboxes.inbox(home))

    dialogue = (Path(__file__).with_name("transcripts") / f"{name}.txt").read_text("utf-8")
    user = Passwd(home).lookup("alice@example.test")
    replay(lambda conn: session(conn, home, user), dialogue, fresh=fresh, service="imap", peer="", can_starttls=False)


WORDS = [b"plain", b"word", b"Gr\xc3\xbc\xc3\x9fe", b"STRASSE", b"\xe6\x9d\xb1\xe4\xba\xac", b"x-1", b"a", b"two words", b"pl\xe2\x80\xa6ain", b"re\xcc\x81sume", b"\xcc\x81", b"wor_plain"]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=6).map(b" ".join)
MESSAGES = st.lists(octets | st.builds(b"%b\nSubject: x %b\nX-Odd: %b\n\n%b\n".__mod__, st.tuples(
    st.sampled_from([b"Content-Type: text/plain; charset=utf-8", b"Content-Type: text/html; charset=utf-8"]),
    TEXTS, TEXTS, TEXTS)), max_size=8)  # fmt: skip
NEEDLES = st.sampled_from([
    "", "plain", "ain", "a", "größe", "Grüsse", "straße", "東", "two words", "o w", "x-1", " ", "-", "x-odd: ", "c3=a9",
    "é", "to", "b@c", "X", "--a", "plian", "pla", "Grüe", "strasse two", "wodr", "wrods", "strase_x",
]) | st.text(max_size=3)  # fmt: skip
LEAVES = st.builds(lambda name, needle: (name, needle), st.sampled_from(["BODY", "TEXT"]), NEEDLES) | st.builds(
    lambda name, needle: ("HEADER", name, needle), st.sampled_from(["X-ODD", "SUBJECT", "TO", "MISSING"]), NEEDLES
)
KEYS = st.recursive(
    LEAVES | st.tuples(st.just("FUZZY"), LEAVES),
    lambda inner: (
        st.tuples(st.just("OR"), inner, inner) | st.tuples(st.just("NOT"), inner) | st.tuples(st.just("FUZZY"), inner)
    ),
    max_leaves=4,
)


def spelled(key: tuple[object, ...]) -> bytes:
    """The key as a client sends it."""
    words = [str(key[0]).encode()]
    for each in key[1:]:
        if isinstance(each, tuple):
            words.append(spelled(each))
        else:
            text = str(each).encode("utf-8", "replace").replace(b"\0", b"")
            words.append(b"{%d+}\r\n%b" % (len(text), text))
    return b" ".join(words)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return mailboxes.make(tmp_path_factory.mktemp("library"))


@given(messages=MESSAGES, later=st.integers(0, 3), key=KEYS)
def test_answers_with_and_without_are_the_same(
    library: Home, messages: list[bytes], later: int, key: tuple[object, ...]
) -> None:
    mailboxes.fill(library)
    inbox = mailboxes.inbox(library)
    for number, message in enumerate(messages):
        if number == len(messages) - later:
            fill(inbox)
        Path(inbox, "new", f"{mailboxes.ARRIVED_S + number}.M{number}P9.host").write_bytes(message)
    words = spelled(key)
    returns = b"RETURN (ALL RELEVANCY) " if b"FUZZY" in words else b""
    search = b"a UID SEARCH " + returns + b"CHARSET UTF-8 " + words + b"\r\n"
    answers = []
    for word in ("no", "yes"):
        set_control(library, "fulltext", word)
        answers.append([line for line in talk(library, search).split("\r\n") if line.startswith(("* SEARCH", "* ESEARCH", "a "))])
    assert answers[0] == answers[1]


def test_the_index_comes_while_the_client_is_silent(home: Home) -> None:
    said = talk(home, b"a SEARCH BODY hello\r\n", SILENCE, b"b SEARCH BODY hello\r\n")
    assert covered(home) == {1, 2, 5}
    assert "* SEARCH 1\r\na OK" in said
    assert "* SEARCH 1\r\nb OK" in said


def test_it_comes_in_idle_too(home: Home) -> None:
    talk(home, b"a SEARCH BODY hello\r\nb IDLE\r\n", SILENCE, b"DONE\r\n")
    assert covered(home) == {1, 2, 5}


def test_no_search_no_index(home: Home) -> None:
    talk(home, b"a SEARCH SUBJECT first\r\n", b"b FETCH 1 BODY.PEEK[]\r\n")
    assert not os.path.exists(os.path.join(mailboxes.inbox(home), store.NAME))


def test_a_client_that_speaks_is_not_kept_waiting(home: Home) -> None:
    talk(home, b"a SEARCH BODY hello\r\n", b"b NOOP\r\n")
    assert covered(home) == set()


def test_the_control_value_switches_it_off(home: Home) -> None:
    set_control(home, "fulltext", "no")
    talk(home, b"a SEARCH BODY hello\r\n", SILENCE, b"b SEARCH BODY hello\r\n")
    assert covered(home) == set()


def test_few_messages_are_read_without_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(narrowing, "LEAST", 6)
    talk(home, b"a SEARCH BODY hello\r\n", SILENCE, b"b SEARCH BODY hello\r\n")
    assert covered(home) == set()


def test_what_the_index_knows_is_not_read(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(mailboxes.inbox(home))
    seen: list[int] = []
    before = Folder.open_file
    monkeypatch.setattr(Folder, "open_file", lambda folder, uid: seen.append(uid) or before(folder, uid))
    client = Client(home)
    assert client.do('SEARCH TEXT "grüsse"')[0] == "* SEARCH 2"
    assert client.do("SEARCH NOT BODY nowhere")[0] == "* SEARCH 1 2 3"
    assert seen == []
    assert client.do('SEARCH BODY "is the first"')[0] == "* SEARCH 1"
    assert seen == [1]
    assert client.do("SEARCH HEADER X-Mailer pine")[0] == "* SEARCH 2"
    assert seen == [1, 2]


def test_a_message_that_is_gone_is_forgotten(home: Home) -> None:
    fill(mailboxes.inbox(home))
    said = talk(home, b"a STORE 1 +FLAGS (\\Deleted)\r\nb EXPUNGE\r\nc SEARCH BODY hello\r\n", SILENCE)
    assert "* SEARCH\r\nc OK" in said
    assert covered(home) == {2, 5}


def test_one_folder_at_a_time_is_filled(home: Home) -> None:
    held = Store(mailboxes.inbox(home), 12345)
    held.lock()
    talk(home, b"a SEARCH BODY hello\r\n", SILENCE, b"b NOOP\r\n")
    assert covered(home) == set()
    held.unlock()
    talk(home, b"a SEARCH BODY hello\r\n", SILENCE, b"b NOOP\r\n")
    assert covered(home) == {1, 2, 5}


def test_a_full_disk_is_logged_and_breaks_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    def fault(operation: str, *args: object) -> None:
        if operation == "write" and len(args) > 1 and b"mailkit-fulltext" in bytes(args[1])[:20]:  # type: ignore[call-overload]
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "fault", fault)
    said = talk(home, b"a SEARCH BODY hello\r\n", SILENCE, b"b SEARCH BODY hello\r\n")
    assert "* SEARCH 1\r\nb OK" in said
    assert [line for line in lines if line.startswith("fulltext verdict=skipped")]
    assert Filling._owner is None


def test_deleting_it_under_a_session_is_harmless(home: Home) -> None:
    fill(mailboxes.inbox(home))
    client = Client(home)
    assert client.do("SEARCH BODY hello")[0] == "* SEARCH 1"
    assert store.delete(mailboxes.inbox(home))
    assert client.do("SEARCH BODY hello")[0] == "* SEARCH 1"


def test_a_message_that_could_not_be_read_is_read_by_the_search(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(fd: int | OSError) -> bytes:
        assert isinstance(fd, int)
        os.close(fd)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(filling, "read", read)
        fill(mailboxes.inbox(home))
    assert covered(home) == {1, 2, 5}
    assert Client(home).do("SEARCH BODY hello")[0] == "* SEARCH 1"


def test_large_folders_are_filled_in_slices(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "OCTETS_MOST", 2000)
    monkeypatch.setattr(filling, "WRITE_OCTETS", 500)
    monkeypatch.setattr(filling, "SLICE_S", 0.0)
    chance = random.Random(1)
    for number in range(50):
        text = b" ".join(b"w%d" % chance.randrange(500) for _ in range(40))
        Path(mailboxes.inbox(home), "new", f"{mailboxes.ARRIVED_S + number}.M{number}P9.host").write_bytes(b"\n" + text)

    def incoming() -> Iterator[object]:
        yield b"s SELECT INBOX\r\na SEARCH BODY w7\r\n"
        while len(covered(home)) < 53:
            yield SILENCE
        yield b"b SEARCH BODY w7\r\n"

    first, second = (line for line in converse(home, incoming()).split("\r\n") if line.startswith("* SEARCH"))
    assert first == second
    assert len(os.listdir(os.path.join(mailboxes.inbox(home), store.NAME))) > 5


FOLDED = (
    b"Subject: one\n two\nContent-Type: message/rfc822\n\nSubject: =?utf-8?q?enc=6Fded?=\nX-In: three\n\tfour\n\nbody\n"
)


@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize(
    ("key", "found"),
    [
        ('TEXT "one two"', True),
        ('BODY "one two"', False),
        ("BODY encoded", True),
        ("TEXT encoded", True),
        ('BODY "three\tfour"', True),
        ("BODY missing", False),
    ],
)
def test_folds_and_encoded_words_of_headers_hide_nothing(home: Home, key: str, found: bool, indexed: bool) -> None:
    """RFC 9051 section 6.4.4 says nothing of line ends; what is shown as one line is searched as one."""
    inbox = mailboxes.inbox(home)
    Path(inbox, "new", f"{mailboxes.ARRIVED_S + 9999}.M9P9.host").write_bytes(FOLDED)
    if indexed:
        fill(inbox)
    assert Client(home).do(f"SEARCH {key}")[0] == ("* SEARCH 4" if found else "* SEARCH")
