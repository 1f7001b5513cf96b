"""One POP3 connection, from greeting to end.

What lives here: the state of a session and the loop that takes one command after another to its verb. What does
not: what a verb does (pop3.verbs), octets (pop3.wire), files (pop3.maildrop).

Invariants. Responses go out in the order of commands, and are sent when no command is waiting, so that a client
that pipelines (RFC 2449 6.6) is answered in few large writes. Messages are deleted only by QUIT (RFC 1939 6): a
connection that ends in any other way changes nothing.
"""

from __future__ import annotations

from mailkit import clock, log
from mailkit.exits import Trouble
from mailkit.net.conn import Closing, Dismissed, Elsewhere, Gone, Timeout
from mailkit.pop3 import verbs, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from mailkit.control import Home
    from mailkit.languages import Language
    from mailkit.net.conn import Conn
    from mailkit.pop3.maildrop import Maildrop
    from mailkit.pop3.verbs.retrieval import Ahead

IDLE_S = 600
"""A server waits for a command at least ten minutes (RFC 1939 3)."""

LOGIN_IDLE_S = 120
"""Before the login there is no such promise, and strangers should not hold connections."""

QUEUED_OCTETS = 65536
"""So much is queued before it must be on its way: bounds the memory of a session whose peer reads slowly, and a peer
that reads fast begins while the rest of its answers are made."""

_BYE_S = 10
"""How long a client that does not read may keep our last word from being sent."""

_TURN = 50
"""Commands of one client, sent ahead, that are obeyed before others have their turn."""

_MOST_ERRORS = 20
"""Commands in a row that fail before we hang up."""


class Session:
    """What one connection has come to."""

    __slots__ = (
        "ahead", "bound", "conn", "drop", "errors", "fetched", "fetched_octets", "home", "language", "meanwhile",
        "name", "over", "queued", "removed", "stamp", "state", "wire",
    )  # fmt: skip

    def __init__(self, conn: Conn, home: Home) -> None:
        self.conn = conn
        self.home = home
        self.wire = wire.Wire()
        self.state = verbs.AUTHORIZATION
        self.over = False
        self.bound = False  # this process can serve nobody else any more
        self.language: Language | None = None  # of our texts, since LANG
        self.name: str | None = None  # what USER said
        self.stamp = ""  # what APOP hashes; empty: no APOP
        self.drop: Maildrop | None = None
        self.errors = 0
        self.queued = 0
        self.meanwhile: Callable[[], None] | None = None  # what is done, once, while the client has its answers
        self.ahead: Ahead | None = None
        self.fetched = 0
        self.fetched_octets = 0
        self.removed = 0

    def ok(self, text: str = "") -> None:
        """Queue a positive status line."""
        self.say(f"+OK {self.translated(text)}\r\n".encode() if text else b"+OK\r\n")
        self.errors = 0

    def err(self, text: str) -> None:
        """Queue a negative status line; `text` may begin with a response code (RFC 2449 8)."""
        self.say(f"-ERR {self.translated(text)}\r\n".encode())
        self.errors += 1

    def translated(self, text: str) -> str:
        """The text, without the response code it may begin with, in the client's language."""
        if self.language is None:
            return text
        code, end, rest = text.partition("] ") if text.startswith("[") else ("", "", text)
        return code + end + self.language.text(rest)

    def say(self, octets: bytes) -> None:
        """Queue octets as they are."""
        self.conn.write(octets)
        self.queued += len(octets)

    def enter(self, drop: Maildrop) -> None:
        """From AUTHORIZATION to TRANSACTION (RFC 1939 4)."""
        self.drop = drop
        self.state = verbs.TRANSACTION
        self.conn.idle_s = IDLE_S

    async def drain(self) -> None:
        """Send what is queued."""
        self.queued = 0
        await self.conn.flush()

    async def more(self) -> bool:
        """Send what is queued and wait for octets; False at the end of input."""
        await self.drain()
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        data = await self.conn.more()
        if not data:
            return False
        self.wire.feed(data)
        return True


async def session(conn: Conn, home: Home) -> None:
    """Serve one connection on which any implicit TLS is already there."""
    state = Session(conn, home)
    conn.idle_s = LOGIN_IDLE_S
    await _converse(state, lambda: _greet(state))


async def resume(conn: Conn, home: Home, words: dict[str, str]) -> None:
    """Serve, in a process of their own, who has logged in elsewhere."""
    state = Session(conn, home)
    await _converse(state, lambda: _take_over(state, words))


async def _converse(state: Session, begin: Callable[[], Coroutine[Any, Any, None]]) -> None:
    try:
        await _serve(state, begin)
        # Only now: who reads the answer to QUIT may log in again at once, and must not find the maildrop in use.
        await state.drain()
        if state.drop is not None and state.drop.changed:
            await state.conn.offload(state.drop.settle)
    finally:
        if state.drop is not None:
            state.drop.close()


async def _serve(state: Session, begin: Callable[[], Coroutine[Any, Any, None]]) -> None:
    why = "error"
    try:
        await begin()
        why = await _commands(state)
    except Closing as closing:
        why = await _closed(state, closing)
    finally:
        _leave(state, why)


def _leave(state: Session, why: str) -> None:
    drop = state.drop
    if drop is not None:
        drop.unlock()
        state.conn.outcome.update(
            user=drop.user.address,
            messages=drop.count,
            fetched=state.fetched,
            octets=state.fetched_octets,
            removed=state.removed,
        )
    state.conn.outcome["ended"] = why


async def _take_over(state: Session, words: dict[str, str]) -> None:
    from mailkit.pop3.verbs import login

    try:
        await login.take_over(state, words)
    except Trouble as trouble:
        state.err(f"[SYS/TEMP] {trouble.text}")
        log.event("trouble", c=state.conn.id, verb="PASS", error=trouble)
        state.over = True


async def _greet(state: Session) -> None:
    me = state.home.control.text("me")
    if state.home.control.flag("apop"):
        # RFC 1939 7: different each time, in the syntax of a Message-ID.
        state.stamp = f"<{clock.pid()}.{clock.now_ns()}.{clock.token(4)}@{me}>"
    state.ok(f"{me} POP3 ready {state.stamp}".rstrip())


async def _commands(state: Session) -> str:
    """Take commands until the session is over; says why it is."""
    obeyed = 0
    while not state.over:
        try:
            command = state.wire.command()
        except wire.Malformed as error:
            state.err(str(error))
            command = None
        else:
            if command is None:
                if not await state.more():
                    return "gone"
            else:
                await _obey(state, *command)
        if state.errors >= _MOST_ERRORS:
            state.err("too many errors")
            return "errors"
        obeyed += 1
        if state.queued >= QUEUED_OCTETS:
            await state.drain()
        if not obeyed % _TURN:
            await state.conn.pause(0)
    return "quit"


async def _obey(state: Session, keyword: bytes, argument: bytes) -> None:
    verb = verbs.TABLE.get(keyword)
    if verb is None:
        return state.err("unknown command")
    if not verb.states & state.state:
        return state.err("not now: log in first" if verb.states == verbs.TRANSACTION else "not now: logged in")
    try:
        await verb.function()(state, argument)
    except Trouble as trouble:
        # RFC 3206: the client shows the text and does not ask for another password.
        state.err(f"[SYS/{'TEMP' if trouble.passing else 'PERM'}] {trouble.text}")
        log.event("trouble", c=state.conn.id, verb=keyword, error=trouble)
    except Closing:
        raise
    except Exception as error:
        # Nothing is known about what was done: no further command on this connection.
        state.err("[SYS/TEMP] internal error")
        state.over = True
        log.trace("broken", error, c=state.conn.id, verb=keyword)
    return None


async def _closed(state: Session, closing: Closing) -> str:
    """Say goodbye where somebody may still listen; returns the word for the log."""
    if isinstance(closing, Gone):
        return "gone"
    if isinstance(closing, Elsewhere):
        return "elsewhere"
    if isinstance(closing, Timeout):
        return "timeout"
    why = "stopping"
    text = "[SYS/TEMP] server is stopping, try again in a minute"
    if isinstance(closing, Dismissed):
        why, text = "user", "[AUTH] your account was changed, please log in again"
    state.conn.idle_s = min(state.conn.idle_s, _BYE_S)
    try:
        state.err(text)
        await state.drain()
    except Closing:
        pass  # it left before us
    return why
