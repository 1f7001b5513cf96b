"""Values to octets as an IMAP client reads them (RFC 9051 section 9): strings, flags, lists, names, status lines.

Everything is bytes and pure. `No` is how a command refuses: the session turns it into a tagged NO.
"""

from __future__ import annotations

from mailkit.mail import mutf7

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class No(Exception):
    """The command cannot be done; text is for the peer, `code` a response code such as "NONEXISTENT"."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


QUOTED_MOST_OCTETS = 1000
_LITERAL_ONLY = bytes(c for c in range(256) if c in (0, 10, 13) or c > 126)
_ESCAPED = b'"\\'


def status(tag: bytes, word: str, text: str, code: str = "") -> bytes:
    """`tag OK [CODE] text` CRLF. Line ends in `text` (of somebody's error message) become blanks."""
    inside = f"[{code}] {text}" if code else text
    line = f"{word} {inside}".replace("\r", " ").replace("\n", " ")
    return tag + b" " + line.encode("utf-8") + b"\r\n"


def untagged(*parts: bytes) -> bytes:
    """`* parts` CRLF."""
    return b"* " + b" ".join(parts) + b"\r\n"


def correlator(tag: bytes, by_uid: bool, where: bytes = b"") -> bytes:
    """`ESEARCH (TAG "x") UID`: how the responses of a search begin. where: ` MAILBOX x UIDVALIDITY n` (RFC 7377)."""
    return b'ESEARCH (TAG "' + tag + b'"' + where + b")" + (b" UID" if by_uid else b"")


def string(octets: bytes) -> bytes:
    """quoted where that may be, else a literal."""
    if len(octets) > QUOTED_MOST_OCTETS or octets.translate(None, _LITERAL_ONLY) != octets:
        return b"{%d}\r\n" % len(octets) + octets
    if octets.translate(None, _ESCAPED) != octets:
        octets = octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b'"' + octets + b'"'


def nstring(octets: bytes | None) -> bytes:
    """string or NIL."""
    return b"NIL" if octets is None else string(octets)


def mailbox(name: str, utf8: bool) -> bytes:
    """A mailbox name: UTF-8 in quotes after ENABLE, modified UTF-7 else (RFC 9051 section 5.1)."""
    if utf8:
        return b'"' + name.encode("utf-8", "surrogateescape").replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    octets = mutf7.encode(name)
    return octets if octets and not octets.translate(None, _NAME_ATOM) else string(octets)


_NAME_ATOM = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-+/&,"


def mailbox_id(guid: str) -> bytes:
    """MAILBOXID of a folder (RFC 8474 section 4): it stays when the folder is renamed."""
    return b"F" + guid.encode("ascii")


def flags(names: Iterable[str]) -> bytes:
    """`(\\Seen $Junk)`."""
    return ("(" + " ".join(names) + ")").encode("ascii", "replace")


def paren(parts: Iterable[bytes]) -> bytes:
    """Parts in parentheses with blanks between."""
    return b"(" + b" ".join(parts) + b")"
