"""IDLE (RFC 2177, RFC 9051 section 6.3.13): tell what happens to the folder as it happens."""

from __future__ import annotations

from mailkit.imap import intake, news
from mailkit.imap.commands import LOGOUT
from mailkit.imap.folders import target
from mailkit.imap.wire import Bad
from mailkit.lines import TooLong
from mailkit.net.conn import Gone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader
    from mailkit.maildir.folder import Folder


async def idle(state: Session, reader: Reader) -> None:
    """No arguments. Ends with the line DONE."""
    reader.end()
    target.release(state)
    state.conn.write(b"+ idling\r\n")
    # The watch comes first: what happens between it and the first look is seen twice rather than not at all. Who has
    # used NOTIFY has one already, and is told what that says and nothing else (RFC 5465 section 4).
    alone = state.following is None and state.view is not None
    watch = state.conn.watch(directories(state.view.folder)) if alone and state.view is not None else None
    try:
        line = await until_line(state)
    finally:
        if watch is not None:
            watch.close()
    if line.upper() != b"DONE":
        raise Bad("IDLE ends with DONE")


def directories(folder: Folder) -> list[str]:
    """Where a change of the folder shows."""
    return [f"{folder.directory}/new", f"{folder.directory}/cur"]


async def until_line(state: Session) -> bytes:
    """Tell news until the client says something."""
    while True:
        if state.view is not None:
            await news.tell(state)
        if state.following is not None:
            await state.following.look(state, removals=True)
        if state.state == LOGOUT:
            return b"DONE"
        line = said(state)
        if line is not None:
            return line
        await state.conn.flush()
        wake = state.view is not None if state.following is None else state.following.watching
        data = await intake.heard(state, wake)
        if data is None:
            if state.following is not None:
                state.following.woken()
            continue
        if not data:
            raise Gone
        state.engine.feed(data)


def said(state: Session) -> bytes | None:
    """The client's line, when it is whole."""
    try:
        return state.engine.line()
    except TooLong:
        raise Bad("IDLE ends with DONE")
