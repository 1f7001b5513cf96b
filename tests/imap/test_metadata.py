"""GETMETADATA and SETMETADATA beyond the transcripts: limits, any input, what an administrator sets."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mailkit.imap.wire import Bad, entries
from mailkit.imap.wire.reader import Reader
from mailkit.maildir import metadata
from tests.harness.homes import set_control
from tests.imap import mailboxes
from tests.imap.pair import Client

TOKENS = st.lists(st.sampled_from([
    b"(", b")", b" ", b"INBOX", b'""', b"MAXSIZE", b"DEPTH", b"infinity", b"1", b"/private/a", b"/shared/vendor/a/b",
    b'"/shared/a b"', b"{9}\r\n/shared/x", b"/Private", b"//", b"*", b"NIL", b'"v"', b"~{1}\r\n\0", b"\xff",
]), max_size=12).map(b"".join)  # fmt: skip


@given(TOKENS)
def test_any_arguments(data: bytes) -> None:
    for read in (entries.read_get, entries.read_set, entries.read_names):
        reader = Reader(data)
        try:
            read(reader)
            reader.end()
        except Bad:
            continue
        assert reader.at == len(data)


def test_too_long_and_too_many(tmp_path: Path) -> None:
    client = Client(mailboxes.make(tmp_path))
    value = b"x" * (metadata.VALUE_MOST_OCTETS + 1)
    said = client.send(b"a SETMETADATA INBOX (/private/a {%d+}\r\n%b /private/b {1+}\r\ny)\r\n" % (len(value), value))
    assert said == [f"a NO [METADATA MAXSIZE {metadata.VALUE_MOST_OCTETS}] That value is too long"]
    assert client.do("GETMETADATA INBOX /private/b")[0] == "* METADATA INBOX (/private/b NIL)"
    for start in range(0, metadata.ENTRIES_MOST, 50):
        pairs = " ".join(f'/private/{number} "x"' for number in range(start, start + 50))
        assert client.do(f"SETMETADATA INBOX ({pairs})") == ["OK SETMETADATA completed"]
    refused = client.do('SETMETADATA INBOX (/private/more "x")')
    assert refused == [f"NO [METADATA TOOMANY] There is room for {metadata.ENTRIES_MOST} entries"]


def test_names_with_blanks_are_quoted(tmp_path: Path) -> None:
    client = Client(mailboxes.make(tmp_path))
    client.do('SETMETADATA INBOX ("/private/a (b)" "x")')
    assert client.do("GETMETADATA (DEPTH 1) INBOX /private")[0] == '* METADATA INBOX ("/private/a (b)" "x")'


def test_the_administrator_speaks_for_the_server(tmp_path: Path) -> None:
    home = mailboxes.make(tmp_path)
    set_control(home, "postmaster", "carol@example.test")
    set_control(home, "imapmetadata", "/shared/comment Back at nine\n/private/x no\n/shared/vendor/Deltachat/turn a b")
    client = Client(home)
    said = client.do('GETMETADATA (DEPTH infinity) "" (/shared /private)')[0]
    assert said == ('* METADATA "" (/shared/admin "mailto:carol@example.test" /shared/comment "Back at nine"'
                    ' /shared/vendor/deltachat/turn "a b")')  # fmt: skip


def test_a_file_that_is_no_text_is_not_cut_short(tmp_path: Path) -> None:
    home = mailboxes.make(tmp_path)
    path = Path(mailboxes.inbox(home), metadata.NAME)
    path.write_bytes(b"x" * 3 * metadata.FILE_MOST_OCTETS)
    client = Client(home)
    assert client.do('SETMETADATA INBOX (/private/a "x")')[-1].startswith("NO [UNAVAILABLE]")
    assert path.stat().st_size == 3 * metadata.FILE_MOST_OCTETS
