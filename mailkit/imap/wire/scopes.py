"""Which mailboxes an ESEARCH is of: `IN (personal subtree "Lists" mailboxes ("a" "b"))` (RFC 7377 section 2.2)."""

from __future__ import annotations

from mailkit.imap.wire import Bad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.wire.reader import Reader

    Source = tuple[str, list[str]]

SELECTED = "SELECTED"
ALONE = (SELECTED, "INBOXES", "PERSONAL", "SUBSCRIBED")
NAMING = ("SUBTREE", "SUBTREE-ONE", "MAILBOXES")
NAMES_MOST = 1000


def read(reader: Reader) -> list[Source]:
    """[(KIND, names)]; without `IN` the selected mailbox. Bad: of unknown kinds, scope options, too many names."""
    if reader.data[reader.at : reader.at + 4].upper() != b"IN (":
        return [(SELECTED, [])]
    reader.at += 4
    found = [_source(reader)]
    while not reader.took(b")"):
        reader.space()
        if reader.peek() == b"(":
            raise Bad("ESEARCH knows no scope options")
        found.append(_source(reader))
    reader.space()
    if sum(len(names) for _, names in found) > NAMES_MOST or len(found) > NAMES_MOST:
        raise Bad(f"At most {NAMES_MOST} mailboxes are named")
    return found


def _source(reader: Reader) -> Source:
    kind = reader.word()
    if kind in ALONE:
        return kind, []
    if kind not in NAMING:
        raise Bad(f"ESEARCH knows no mailboxes {kind}")
    reader.space()
    return kind, reader.mailboxes()
