"""URLs: what the grammar allows is read, everything else is a ValueError, and nothing else is ever raised."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.imap.wire import urls

FULL = (
    b"imap://alice%40x.test;AUTH=*@Mail.x.test:1143/a%2Fb/c%C3%BC;UIDVALIDITY=7/;UID=20/;SECTION=1.2.HEADER/;PARTIAL=0.9"
    b";EXPIRE=2026-12-24T18:00:00+01:00;URLAUTH=user+bob%40x.test:INTERNAL:" + b"0a" * 33
)


def test_every_part() -> None:
    url = urls.read(FULL)
    assert (url.user, url.host, url.port, url.mailbox) == ("alice@x.test", "mail.x.test", 1143, "a/b/cü")
    assert (url.uidvalidity, url.uid, url.section, url.partial) == (7, 20, b"1.2.HEADER", (0, 9))
    assert (url.expire_s, url.access, url.access_user) == (1798131600, b"user+", "bob@x.test")
    assert (url.mechanism, url.token) == (b"internal", b"0a" * 33)
    assert url.rump + b":INTERNAL:" + url.token == FULL
    item = url.item()
    assert (item.path, item.what, item.partial) == ([1, 2], "HEADER", (0, 9))


def test_rump_is_the_whole_url_while_it_has_no_token() -> None:
    rump = FULL[: FULL.index(b":INTERNAL")]
    url = urls.read(rump)
    assert (url.rump, url.mechanism, url.token) == (rump, b"", b"")


@pytest.mark.parametrize(("octets", "mailbox", "section"), [
    (b";UID=1", None, b""), (b"/;UID=1", None, b""), (b"/a/;UID=1/;SECTION=", "a", b""),
    (b"/a/b;uidvalidity=3/;uid=1", "a/b", b""), (b"/a/;UID=1/;SECTION=1.MIME", "a", b"1.MIME"),
    (b"imap://h/a/;UID=1/;SECTION=HEADER.FIELDS%20(To%20Cc)", "a", b"HEADER.FIELDS (To Cc)"),
    (b"imap://[::1]:143/a/;UID=1", "a", b""),
])  # fmt: skip
def test_forms(octets: bytes, mailbox: str | None, section: bytes) -> None:
    url = urls.read(octets)
    assert (url.mailbox, url.section) == (mailbox, section)
    assert url.item().name == "BODY[]"


@pytest.mark.parametrize("octets", [
    b"", b"/a", b"a/;UID=1", b"/a/;UID=0", b"/a/;UID=4294967296", b"/a/;UID=x", b"/a/;UID=1;FOO=1", b"/a/;SECTION=1",
    b"/a/;UID=1/;UIDVALIDITY=1", b"/a/;UID=1/;UID=1", b"/%zz/;UID=1", b"/%ff/;UID=1", b"/%00/;UID=1", b"/a b/;UID=1",
    b"/a/;UID=1/;PARTIAL=1.0", b"/a/;UID=1;EXPIRE=tomorrow", b"/a/;UID=1;EXPIRE=2026-12-24T18:00:00",
    b"/a/;UID=1;URLAUTH=nobody", b"/a/;UID=1;URLAUTH=user+", b"/a/;UID=1;URLAUTH=authuser+x",
    b"/a/;UID=1;URLAUTH=anonymous:internal:00", b"/a/;UID=1;URLAUTH=anonymous:internal", b"imap://:1/a/;UID=1",
    b"imap://h:x/a/;UID=1", b"/a/;UID=1" + b"x" * 5000, b"http://h/a/;UID=1", b"/\xc3\xbc/;UID=1",
])  # fmt: skip
def test_no_url(octets: bytes) -> None:
    with pytest.raises(ValueError):
        urls.read(octets)


@pytest.mark.parametrize("section", [b"0", b"1%5D%20FLAGS", b"1%5D<0.5>", b"FOO", b"MIME", b"%7B3%7D", b"1%20"])
def test_no_section(section: bytes) -> None:
    with pytest.raises(ValueError):
        urls.read(b"/a/;UID=1/;SECTION=" + section).item()


PIECES = st.lists(st.sampled_from([
    b"imap://", b"alice@", b"host", b":", b"143", b"/", b"INBOX", b";", b"UID=", b"UIDVALIDITY=", b"SECTION=", b"1", b".",
    b"HEADER", b"PARTIAL=", b"EXPIRE=", b"2026-12-24T18:00:00Z", b"URLAUTH=", b"anonymous", b"user+", b":internal:",
    b"0" * 32, b"%", b"%41", b"]", b"[", b"(", b"\n",
]) | st.binary(max_size=2), max_size=16).map(b"".join)  # fmt: skip


@given(PIECES)
def test_rubbish_is_no_url_and_nothing_worse(octets: bytes) -> None:
    try:
        url = urls.read(octets)
        assert url.uid > 0
        assert url.item().peek
    except ValueError:
        assert not set(urls.shown(octets)) & set("]\r\n")
