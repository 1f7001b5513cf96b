"""Flag names from a client, checked, and as the bits a folder keeps (RFC 9051 section 2.3.2)."""

from __future__ import annotations

from mailkit.imap import news
from mailkit.imap.responses import No
from mailkit.imap.wire import Bad
from mailkit.maildir.keywords import Full
from mailkit.maildir.marks import DELETED, SEEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.maildir.folder import Folder

SYSTEM = {name.decode("ascii").lower(): name for name in news.SYSTEM_FLAGS}
EVERY = (1 << 32) - 1
_RIGHT = {SEEN: "s", DELETED: "t"}
KEYWORD_MOST_OCTETS = 100


def checked(names: list[str]) -> list[bytes]:
    """Flags as they are kept. Bad: a `\\` flag that nobody may set, a keyword of unreasonable length."""
    found = []
    for name in names:
        if name.startswith("\\"):
            if name.lower() not in SYSTEM:
                raise Bad(f"The flag {name} cannot be set")
            found.append(SYSTEM[name.lower()])
        elif len(name) > KEYWORD_MOST_OCTETS:
            raise Bad(f"A keyword has at most {KEYWORD_MOST_OCTETS} octets")
        else:
            found.append(name.encode("ascii"))
    return found


def permitted(rights: str) -> int:
    """The bits that may be set and cleared with these rights: s is for \\Seen, t for \\Deleted, w for the others
    (RFC 4314 section 4)."""
    bits = EVERY & ~(SEEN | DELETED) if "w" in rights else 0
    return bits | sum(bit for bit, right in _RIGHT.items() if right in rights)


def mask(state: Session, folder: Folder, names: list[bytes], create: bool, rights: str) -> int:
    """The bits of checked flags which these rights allow. No [LIMIT]: the folder has 26 keywords already."""
    before = len(folder.keywords)
    create = create and "w" in rights
    try:
        bits = folder.mask(names, create=create)
    except Full:
        raise No("A mailbox has at most 26 keywords", "LIMIT")
    if state.view is not None and state.view.folder is folder and len(folder.keywords) != before:
        news.tell_defined(state)
    return bits & permitted(rights)
