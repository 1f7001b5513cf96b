"""GENURLAUTH (RFC 4467 section 7): URLs of one's own messages, for others."""

from __future__ import annotations

from mailkit.imap.messages import authorized
from mailkit.imap.messages.sources import Sources
from mailkit.imap.responses import No, string, untagged
from mailkit.imap.wire import Bad, urls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def genurlauth(state: Session, reader: Reader) -> None:
    """1*(url SP mechanism): all of them or none."""
    asked = authorized.several(reader, pair)
    opened = Sources(state)
    try:
        made = [await one(state, opened, octets) for octets in asked]
    finally:
        opened.close()
    state.conn.write(untagged(b"GENURLAUTH", *map(string, made)))


def pair(reader: Reader) -> bytes:
    """url SP mechanism; the URL."""
    octets = reader.astring()
    reader.space()
    if reader.word() != authorized.MECHANISM:
        raise Bad(f"The mechanism is {authorized.MECHANISM}")
    return octets


async def one(state: Session, opened: Sources, octets: bytes) -> bytes:
    """The URL with its token. Bad [BADURL] (RFC 4467 section 7, GENURLAUTH)."""
    try:
        return await authorized.made(state, opened, octets)
    except (ValueError, No) as error:
        raise Bad(sentence(str(error)), f"BADURL {urls.shown(octets)}")


def sentence(text: str) -> str:
    """With a capital in front."""
    return text[:1].upper() + text[1:]
