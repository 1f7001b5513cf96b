"""What folders are for (special use, RFC 6154), given with CREATE or as the annotation /private/specialuse (section 4).

Only folders of the user's own have one, and no more than one. `maildir.tree` keeps it.
"""

from __future__ import annotations

from mailkit.imap.folders import tree
from mailkit.imap.responses import No
from mailkit.imap.wire import entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.folders.forest import Mailbox
    from mailkit.imap.session import Session
    from mailkit.imap.wire.entries import Wanted

ENTRY = "/private/specialuse"
USES = {use.lower(): use for use in ("\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash")}
"""Not \\All and \\Flagged, which would be virtual folders."""


def one_of(flags: list[str]) -> str:
    """The use among attributes; "" when there are none. No [USEATTR]: several, or one that is not to be had."""
    if len(flags) > 1 or any(flag.lower() not in USES for flag in flags):
        raise No("That use is not to be had", "USEATTR")
    return USES[flags[0].lower()] if flags else ""


async def shown(state: Session, wanted: Wanted) -> dict[str, str] | None:
    """name -> use, where the annotation is among what is asked for."""
    if not any(entries.below(name, wanted.depth, ENTRY) for name in wanted.names):
        return None
    known: dict[str, str] = await tree.attempt(state, tree.of(state).special)
    return known


async def checked(state: Session, found: Mailbox, value: bytes | None) -> str:
    """The use that this value of the annotation means. No: the folder cannot have it, or cannot be without."""
    use = one_of((value or b"").decode("ascii", "replace").split())
    if not found.who.owner:
        raise No("Only folders of your own have a special use", "CANNOT")
    if not use and await tree.attempt(state, found.tree.special_by_name, found.inner):
        raise No("The mailbox has its use by its name", "CANNOT")
    return use
