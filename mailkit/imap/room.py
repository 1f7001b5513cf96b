"""Quota: is there room for what a client stores, and what it may be told of it (RFC 9208).

The count itself is kept by `deliver.quota`, in the file that Courier and Dovecot keep too. One quota root, "", is for
all folders of a user; users without limits have none.
"""

from __future__ import annotations

from mailkit import log
from mailkit.imap.responses import No

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailkit.imap.session import Session
    from mailkit.maildir.folder import Folder

ROOT = ""


def limited(state: Session) -> bool:
    """The user has a quota."""
    assert state.user is not None
    return state.user.quota != (None, None)


async def need(state: Session, octets: int) -> None:
    """No [OVERQUOTA] when there is no room for so many octets more."""
    if not limited(state):
        return
    from mailkit.deliver import quota

    if not await state.conn.offload(quota.takes, state.user, octets):
        raise No("There is no room for it: remove something first", "OVERQUOTA")


async def note(state: Session, octets: int, messages: int) -> None:
    """Write down what came, or with negative numbers what went; a failure is made good by the next count."""
    if not limited(state) or not messages:
        return
    from mailkit.deliver import quota

    try:
        await state.conn.offload(quota.add, state.user, octets, messages)
    except OSError as error:
        log.event("quota", c=state.conn.id, error=error.strerror)


def total(folder: Folder, uids: Iterable[int]) -> int:
    """Octets of messages, as far as they are known; those nobody knows count when all is counted anew."""
    table = folder.table
    rows = [row for row in map(table.row, uids) if row is not None]
    return sum(table.detail.sizes[row] for row in rows)


async def described(state: Session) -> bytes:
    """`(STORAGE 10 512 MESSAGE 3 100)`: usage and limit of what is limited; STORAGE in units of 1024 octets."""
    from mailkit.deliver import quota

    if not limited(state):
        return b"()"
    usage = await state.conn.offload(quota.usage, state.user)
    parts = []
    if usage.max_octets is not None:
        parts.append(b"STORAGE %d %d" % (-(-usage.octets // 1024), usage.max_octets // 1024))
    if usage.max_messages is not None:
        parts.append(b"MESSAGE %d %d" % (usage.messages, usage.max_messages))
    return b"(" + b" ".join(parts) + b")"
