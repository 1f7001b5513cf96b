"""NOTIFY (RFC 5465): what the client wants to be told without asking; see `imap.folders.following`."""

from __future__ import annotations

from mailkit.imap import news
from mailkit.imap.folders import following
from mailkit.imap.responses import No, mailbox, untagged
from mailkit.imap.wire import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.folders.following import Following
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader


async def notify(state: Session, reader: Reader) -> None:
    """SET [STATUS] groups, or NONE. What was followed before is followed on when this is refused."""
    try:
        request = events.read(reader)
        reader.end()
        if request is None:
            following.replace(state, following.Following([]))
            return
        new = following.Following(request.groups)
        try:
            await new.begin(state, request.status)
        except BaseException:
            new.close()
            raise
    except events.Unsupported:
        raise No("That event is not told of here", f"BADEVENT ({' '.join(events.SUPPORTED)})")
    except events.Overflow:
        raise No("That is more than we can follow", "NOTIFICATIONOVERFLOW")
    following.replace(state, None)
    if state.view is not None:
        await news.tell(state)  # whatever is followed from now on: the command is a NOOP as well (section 3.1)
    state.following = new
    tell_refused(state, new)


def tell_refused(state: Session, new: Following) -> None:
    """Folders that the client names and may list, but not read (section 3.1)."""
    for name in new.refused():
        state.conn.write(untagged(b'LIST (\\NoAccess) "/"', mailbox(name, state.utf8)))
