"""One IMAP connection, from the greeting to BYE (RFC 9051 section 3).

What lives here: the state of a session and the loop that takes a command and runs it. What does not: what a command
does (`commands`), octets (`wire`), what the client is told about its folder (`news`).

    not authenticated --LOGIN, AUTHENTICATE--> authenticated --SELECT, EXAMINE--> selected
                                               authenticated <--CLOSE, UNSELECT--
    any --LOGOUT, a BYE of ours--> logout

Invariants. A command is answered before the next one is begun. Answers are queued and go out when no whole command is
waiting, so that a client that pipelines is answered in few writes. EXPUNGE is told only at the end of a command whose
row in the table allows it (RFC 9051 section 7.5.1), just before its tagged answer.
"""

from __future__ import annotations

import os

from mailkit import files, log
from mailkit.exits import Trouble
from mailkit.imap import capability, commands, identity, intake, limits, news, replies, selection, uidonly
from mailkit.imap.commands import LOGOUT, NOT_AUTHENTICATED
from mailkit.imap.folders import target
from mailkit.imap.progress import Progress
from mailkit.imap.responses import No
from mailkit.imap.wire import Bad
from mailkit.imap.wire.engine import Broken, Command, Continue, Engine, Upload
from mailkit.imap.wire.reader import Reader
from mailkit.net.conn import Closing, Dismissed, Elsewhere, Gone, Stopping, Timeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

    from mailkit.control import Home
    from mailkit.imap.folders.following import Following
    from mailkit.imap.folders.forest import Forest, Mailbox
    from mailkit.imap.searching.contexts import Context
    from mailkit.imap.searching.filling import Filling
    from mailkit.languages import Language
    from mailkit.maildir.folder import Folder
    from mailkit.maildir.view import View
    from mailkit.net.conn import Conn
    from mailkit.users.passwd import User

TURN = 20
"""Commands that a client sent ahead are answered in so many before others have their turn; their answers wait in memory
till then."""

UTF8 = frozenset({"IMAP4rev2", "UTF8=ACCEPT"})

ERRORS_MOST = 20
"""Commands in a row that are BAD before we hang up: somebody speaks another protocol."""

BYE_S = 10
"""How long a client that does not read may keep our last word from being sent."""


class Session:
    """What one connection has come to."""

    __slots__ = (
        "after", "behind", "bound", "compressed", "conn", "contexts", "defined", "enabled", "engine", "errors",
        "filling", "following", "home", "language", "limited", "mailbox", "numbered", "progress", "saved", "state",
        "tag", "target", "target_mailbox", "tree", "turn", "upload", "user", "view", "why",
    )  # fmt: skip

    def __init__(self, conn: Conn, home: Home) -> None:
        self.conn = conn
        self.home = home
        self.engine = Engine(identity.LOGIN_LINE_OCTETS, identity.LOGIN_LITERAL_OCTETS)
        self.state = NOT_AUTHENTICATED
        self.user: User | None = None
        self.tree: Forest | None = None
        self.view: View | None = None
        self.mailbox: Mailbox | None = None  # where the view's folder is, and what the user may do with it
        self.target: Folder | None = None  # see `target`
        self.target_mailbox: Mailbox | None = None
        self.defined: list[bytes] = []  # the keywords of the view's folder, as the client was told
        self.saved: list[tuple[int, int]] = []  # `$`: UIDs of the last SEARCH RETURN (SAVE), RFC 5182
        self.contexts: dict[bytes, Context] = {}  # searches of the selected folder that go on, by tag (RFC 5267)
        self.enabled: frozenset[str] = frozenset()
        self.filling: Filling | None = None  # of the full-text index of `view`
        self.following: Following | None = None  # since the first NOTIFY
        self.tag = b""
        self.progress = Progress()
        self.language: Language | None = None  # of our texts, since LANGUAGE
        self.limited = ""  # how far the command came, if that is not all the way: see `limits`
        self.upload: Upload | None = None  # offered with the command that runs now
        self.after: Callable[[Session], Awaitable[None]] | None = None  # to do once the answer is queued
        self.bound = False  # this process can serve nobody else any more
        self.compressed = False
        self.behind = False  # the client was told of a lower HIGHESTMODSEQ than the folder's: see `modseq`
        self.numbered = False  # the command names messages by number where numbers may change: see `search`
        self.errors = 0
        self.turn = 0
        self.why = ""  # how it ended, for the log

    @property
    def utf8(self) -> bool:
        """Mailbox names are UTF-8 on the wire (RFC 9051 section 5.1, RFC 6855 section 3)."""
        return not self.enabled.isdisjoint(UTF8)


async def session(conn: Conn, home: Home, user: User | None = None) -> None:
    """Serve one connection to its end. `user`: who is at the other end is known already (PREAUTH)."""
    state = Session(conn, home)
    conn.idle_s = identity.LOGIN_IDLE_S
    await converse(state, greet(state, user))


async def resume(conn: Conn, home: Home, words: dict[str, str]) -> None:
    """Serve, in a process of their own, who has logged in elsewhere with the command words["tag"]."""
    state = Session(conn, home)
    await converse(state, identity.take_over(state, words))


async def converse(state: Session, beginning: Coroutine[Any, Any, None]) -> None:
    """From the first line to the last."""
    conn = state.conn
    try:
        await beginning
        while state.state != LOGOUT:
            await step(state)
        await state.conn.flush()
    except Timeout:
        await bye(state, "Autologout: you were silent too long", "timeout")
    except Stopping:
        await bye(state, "The server is going down, come back in a minute", "stopping", "UNAVAILABLE")
    except Dismissed:
        await bye(state, "Your account was changed, please log in again", "user")
    except Gone:
        state.why = "gone"
    except Elsewhere:
        state.why = "elsewhere"
    except Trouble as trouble:  # with what holds for every command, such as a control value
        log.event("trouble", c=conn.id, code=trouble.code, detail=str(trouble))
        await bye(state, trouble.text, "trouble", "UNAVAILABLE")
    except Exception as error:
        log.trace("broken", error, c=conn.id, user=state.user.address if state.user else None)
        await bye(state, "Internal error; it is in the log", "broken", "SERVERBUG")
    finally:
        intake.unfollow(state)
        selection.release(state)
        target.release(state)
        conn.outcome.update(user=state.user.address if state.user else None, ended=state.why)


async def greet(state: Session, user: User | None) -> None:
    """The first line (RFC 9051 section 7.1.4 for PREAUTH)."""
    if user is not None:
        await identity.enter(state, user)
    word = "PREAUTH" if user is not None else "OK"
    code = b"[CAPABILITY " + capability.line(state) + b"]"
    name = state.home.control.text("me").encode("ascii", "replace")
    state.conn.write(b"* " + word.encode("ascii") + b" " + code + b" " + name + b" mailkit-imapd\r\n")


async def bye(state: Session, text: str, why: str, code: str = "") -> None:
    """Say BYE to whoever may still listen."""
    state.why = why
    state.conn.idle_s = min(state.conn.idle_s, BYE_S)
    replies.tell(state, text, code, "BYE")
    try:
        await state.conn.flush()
    except Closing:
        pass


async def step(state: Session) -> None:
    """Take the next thing the client sent and answer it."""
    event = state.engine.event()
    if event is None:
        if await intake.more(state, between=True):
            return
        state.state, state.why = LOGOUT, "eof"
    elif isinstance(event, (Command, Upload)):
        await perform(state, event)
        state.turn += 1
        if not state.turn % TURN and state.state != LOGOUT:
            await intake.breathe(state)
    elif isinstance(event, Continue):
        state.conn.write(b"+ OK\r\n")
    elif isinstance(event, Broken):
        broken(state, event)


def broken(state: Session, event: Broken) -> None:
    """Answer what the engine could not make a command of."""
    replies.say(state, event.tag, "BAD", event.text, event.code)
    failed(state)
    if event.fatal:
        hang_up(state, "That is more than anybody would read", "flood")


def failed(state: Session) -> None:
    """Count a BAD; too many in a row are the end."""
    state.errors += 1
    if state.errors >= ERRORS_MOST:
        hang_up(state, "Too many errors", "errors")


async def perform(state: Session, event: Command | Upload) -> None:
    """Run one command and write its tagged answer."""
    state.tag = event.tag
    state.progress.begin()
    state.limited = ""
    state.numbered = False
    state.upload = event if isinstance(event, Upload) else None
    name = event.name
    try:
        reader = Reader(event.args, state.utf8)
        if name == "UID":
            name = f"UID {reader.word()}"
            reader.took(b" ")
        row = commands.find(name, state.state)
        uidonly.refuse_command(state, name)
        try:
            text = await row.function()(state, reader)
        except No as refusal:
            if refusal.code == "EXPUNGEISSUED":
                limits.text(state, f"[{refusal.code}]")  # where it stopped goes before it (RFC 9738 section 3.1)
                await tell_news(state, row)
            raise
        await tell_news(state, row)
        if state.following is not None:
            await state.following.after(state, name)
        text = text or f"{name} completed"
        if state.limited:
            text = limits.text(state, text)
        answer = ("OK", text, "")
        state.errors = 0
    except Bad as error:
        answer = ("BAD", str(error), error.code)
        failed(state)
    except No as refusal:
        answer = ("NO", str(refusal), refusal.code)
    except Trouble as trouble:
        log.event("trouble", c=state.conn.id, command=name, code=trouble.code, detail=trouble.detail)
        answer = ("NO", trouble.text, "UNAVAILABLE" if trouble.passing else "CANNOT")
    except OSError as error:
        target.release(state)
        # The disk is full, or somebody took the directories away: not the end of the session.
        log.event("trouble", c=state.conn.id, command=name, code="4.3.0", detail=place(state, error))
        text = "The disk of the mail store is full" if files.full(error) else "The mail store refuses this now"
        answer = ("NO", text, "UNAVAILABLE")
    replies.say(state, event.tag, *answer)
    if state.upload is not None:
        refuse_upload(state)
    if state.after is not None:
        after, state.after = state.after, None
        await after(state)


async def tell_news(state: Session, row: commands.Row) -> None:
    """Queue what is new in the selected folder, as far as the row of the command allows it."""
    if state.view is not None and row.tells:
        expunges = row.tells >= commands.ALL and not state.numbered
        await news.tell(state, expunges=expunges, own=row.tells == commands.OWN)


def place(state: Session, error: OSError) -> str:
    """What the disk refused and where, for the log. A write knows no name: then it is the Maildir's."""
    maildir = state.user.maildir if state.user is not None else state.home.path
    return f"{os.fsdecode(error.filename or maildir)}: {error.strerror or error}"


def refuse_upload(state: Session) -> None:
    """The command ended without taking the message it came with."""
    state.upload = None
    if not state.engine.refuse():
        hang_up(state, "That is more than anybody would read", "flood")


def hang_up(state: Session, text: str, why: str) -> None:
    """Say BYE, and serve nothing more."""
    replies.tell(state, text, word="BYE")
    state.state, state.why = LOGOUT, why
