"""Status responses: OK, NO, BAD, BYE with a text for people, in the language the client chose (RFC 5255 section 3).

Every text that a client gets goes through here, and is English up to here.
"""

from __future__ import annotations

from mailkit.imap.responses import status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session


def say(state: Session, tag: bytes, word: str, text: str, code: str = "") -> None:
    """Queue `tag OK [CODE] text`. text may begin with its code in brackets instead."""
    state.conn.write(status(tag, word, translated(state, text), code))


def tell(state: Session, text: str, code: str = "", word: str = "OK") -> None:
    """The same without a tag."""
    say(state, b"*", word, text, code)


def translated(state: Session, text: str) -> str:
    """The text, without the code it may begin with, in the client's language."""
    if state.language is None:
        return text
    code, end, rest = text.partition("] ") if text.startswith("[") else ("", "", text)
    return code + end + state.language.text(rest)
