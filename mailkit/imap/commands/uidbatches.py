"""UIDBATCHES (RFC 10022): UID ranges that part the folder into batches of one size, the newest first.

The ranges lie side by side and the last begins at UID 1, so that whatever a client does to one after the other it does
to every message.
"""

from __future__ import annotations

from mailkit.imap.responses import No, untagged
from mailkit.imap.wire import Bad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader

SIZE_LEAST = 500
"""Smaller batches are message numbers in disguise (section 3.1.3)."""
SPAN_MOST = 100_000
"""Messages that the batches a client asks for by number may have in all (section 3.1.5)."""


async def uidbatches(state: Session, reader: Reader) -> None:
    """size [SP first ":" last], batches counted from 1."""
    size = reader.number()
    wanted = read_range(reader) if reader.took(b" ") else None
    reader.end()
    if size < SIZE_LEAST:
        raise No(f"A batch has at least {SIZE_LEAST} messages", "TOOFEW")
    if wanted is not None and (wanted[1] - wanted[0] + 1) * size > SPAN_MOST:
        raise No(f"Ask for batches of {SPAN_MOST} messages at most", "TOOMANY")
    view = state.view
    assert view is not None
    found = batches(view.uids[: view.count], size)
    if wanted is not None:
        found = found[wanted[0] - 1 : wanted[1]]
    ranges = b",".join(b"%d:%d" % pair for pair in found)
    answer = b'UIDBATCHES (TAG "' + state.tag + b'")'
    state.conn.write(untagged(answer, ranges) if ranges else untagged(answer))


def read_range(reader: Reader) -> tuple[int, int]:
    """first ":" last. Bad [CLIENTBUG]: from higher to lower."""
    first = reader.number()
    reader.expect(b":")
    last = reader.number()
    if not first:
        raise Bad("Batches are counted from 1")
    if last < first:
        raise Bad("A range of batches goes from lower to higher", "CLIENTBUG")
    return first, last


def batches(uids: Sequence[int], size: int) -> list[tuple[int, int]]:
    """(highest, lowest) UID of each batch of ascending UIDs, the highest batch first."""
    found = []
    end = len(uids)
    highest = uids[-1] if end else 0
    while end:
        end = max(0, end - size)
        lowest = uids[end] if end else 1
        found.append((highest, lowest))
        highest = lowest - 1
    return found
