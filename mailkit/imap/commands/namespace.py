"""NAMESPACE (RFC 2342, RFC 9051 section 6.3.10): the personal one without prefix, others' and public folders."""

from __future__ import annotations

from mailkit.imap import replies
from mailkit.imap.folders import tree
from mailkit.imap.folders.forest import OTHERS, PUBLIC
from mailkit.imap.responses import untagged
from mailkit.mail import mutf7

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def namespace(state: Session, reader: Reader) -> None:
    """No arguments."""
    reader.end()
    tell_namespaces(state)


def tell_namespaces(state: Session) -> None:
    """The NAMESPACE response."""
    if not tree.of(state).shares:
        state.conn.write(untagged(b'NAMESPACE (("" "/")) NIL NIL'))
        return
    shared = [b'(("%b/" "/"%b))' % (name.encode("ascii"), translation(state, name)) for name in (OTHERS, PUBLIC)]
    state.conn.write(untagged(b'NAMESPACE (("" "/"))', *shared))


def translation(state: Session, name: str) -> bytes:
    """` "TRANSLATION" ("name/")`: what the client's language calls it, where it does (RFC 5255 section 3.4)."""
    theirs = replies.translated(state, name)
    if theirs == name:
        return b""
    octets = f"{theirs}/".encode() if state.utf8 else mutf7.encode(f"{theirs}/")
    return b' "TRANSLATION" ("%b")' % octets
