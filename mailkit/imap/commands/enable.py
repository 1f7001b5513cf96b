"""ENABLE (RFC 5161, RFC 9051 section 6.3.1)."""

from __future__ import annotations

from mailkit.imap import modseq
from mailkit.imap.capability import ENABLED
from mailkit.imap.responses import untagged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def enable(state: Session, reader: Reader) -> None:
    """1*(SP capability); what cannot be enabled is ignored."""
    asked = [reader.word()]
    while not reader.done:
        reader.space()
        asked.append(reader.word())
    known = dict.fromkeys(ENABLED[word] for word in asked if word in ENABLED)
    new = [word for word in known if word not in state.enabled]
    state.conn.write(untagged(b"ENABLED", *(word.encode("ascii") for word in new)))
    if not modseq.MODSEQ.isdisjoint(new):
        modseq.enable(state)
    state.enabled |= frozenset(new)
