"""Flag names from a client, checked, and as the bits a folder keeps (RFC 9051 section 2.3.2)."""

from __future__ import annotations

from mailkit.imap import news
from mailkit.imap.responses import No
from mailkit.imap.wire import Bad
from mailkit.maildir.keywords import Full

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.maildir.folder import Folder

SYSTEM = {name.decode("ascii").lower(): name for name in news.SYSTEM_FLAGS}
EVERY = (1 << 32) - 1
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


def mask(state: Session, folder: Folder, names: list[bytes], create: bool) -> int:
    """The bits of checked flags. No [LIMIT]: the folder has 26 keywords already."""
    before = len(folder.keywords)
    try:
        bits = folder.mask(names, create=create)
    except Full:
        raise No("A mailbox has at most 26 keywords", "LIMIT")
    if state.view is not None and state.view.folder is folder and len(folder.keywords) != before:
        news.tell_defined(state)
    return bits
