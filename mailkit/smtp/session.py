"""One SMTP, submission or LMTP connection from greeting to goodbye, and the table of verbs.

A verb is a module in verbs/ with `async def run(session, argument) -> Reply | None`; None says that it wrote its own
replies. It is imported when the first client uses it.
"""

from __future__ import annotations

from mailkit import log
from mailkit.exits import Trouble
from mailkit.net.conn import Closing, Gone, Stopping, Timeout
from mailkit.smtp import greeting, settings
from mailkit.smtp.dialogue import AUTH_LIMIT, COMMAND_LIMIT, answer, next_line
from mailkit.smtp.reply import Refused, Reply
from mailkit.smtp.state import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mailkit.control import Home
    from mailkit.net.conn import Conn

    Run = Callable[[Session, bytes], Awaitable[Reply | None]]

VERBS = {
    b"HELO": "helo",
    b"EHLO": "ehlo",
    b"LHLO": "lhlo",
    b"MAIL": "mail",
    b"RCPT": "rcpt",
    b"DATA": "data",
    b"BDAT": "bdat",
    b"RSET": "rset",
    b"NOOP": "noop",
    b"QUIT": "quit",
    b"VRFY": "vrfy",
    b"EXPN": "expn",
    b"HELP": "help",
    b"STARTTLS": "starttls",
    b"AUTH": "auth",
    b"XCLIENT": "xclient",
    b"XFORWARD": "xforward",
}
# These bring a message nearer; more than control/maxcommands of the others in a row is nobody who sends mail.
_USEFUL = (b"RCPT", b"DATA", b"BDAT")

# Commands of one client, sent ahead, that are obeyed before others have their turn.
_TURN = 50

_UNKNOWN = Reply(500, "5.5.1", "unknown command")
# A web browser that somebody else's page has sent here: the body of what it posts would be commands, from the
# browser's machine, which may be one we trust.
_WEB = (b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT")
_NO_WEB = Reply(521, "5.5.1", "this is no web server, goodbye")

_runs: dict[bytes, Run] = {}


async def session(conn: Conn, home: Home) -> None:
    """Serve one connection of service conn.service to its end. Raises nothing but what ends the process."""
    state: Session | None = None
    ended = "gone"
    try:
        state = Session(conn, home, settings.of(home, conn.service))
        conn.idle_s = state.settings.smtptimeout_s
        await _converse(state)
        ended = state.ended or "closed"
    except Timeout:
        ended = "timeout"
        await _farewell(conn, "4.4.2", "you were silent too long, or the session has lasted too long")
    except Stopping:
        ended = "stopping"
        await _farewell(conn, "4.3.2", "the server is stopping, please try again")
    except Gone:
        pass
    except Trouble as trouble:
        log.event("trouble", c=conn.id, text=trouble.text, detail=trouble.detail or None)
        await _farewell(conn, "4" + trouble.code[1:], trouble.text)
    except Exception as error:
        ended = "failed"
        log.trace("broken", error, c=conn.id, peer=conn.peer)
        await _farewell(conn, "4.3.0", "an error of ours, please try again")
    finally:
        if state is not None:
            _leave(state, ended)


async def _converse(session: Session) -> None:
    await greeting.greet(session)
    obeyed = 0
    while not session.ended:
        limit = AUTH_LIMIT if session.settings.submission else COMMAND_LIMIT
        try:
            line = await next_line(session, limit)
        except Refused as refused:
            await answer(session, refused.reply, "line", refused.by)
            continue
        await _obey(session, line)
        obeyed += 1
        if not obeyed % _TURN:
            await session.conn.flush()
            await session.conn.pause(0)
    await session.conn.flush()


async def _obey(session: Session, line: bytes) -> None:
    word, _, argument = line.partition(b" ")
    word = word.upper()
    if word not in _USEFUL:
        session.idle += 1
        if session.idle > session.settings.maxcommands:
            session.ended = "refused"
            await answer(session, Reply(421, "4.7.0", "too many commands without a message, goodbye"), _shown(line))
            return
    run = _runs.get(word) or _loaded(word)
    if run is None:
        if word in _WEB:
            session.ended = "refused"
        await answer(session, _NO_WEB if session.ended else _UNKNOWN, _shown(line))
        return
    verb = word.decode()
    try:
        reply = await run(session, argument)
    except Refused as refused:
        await answer(session, refused.reply, verb, refused.by, refused.detail, argument if word in _LOGGED else b"")
        return
    except Trouble as trouble:
        code = 451 if trouble.passing else 554
        await answer(session, Reply(code, trouble.code, trouble.text), verb, "", trouble.detail)
        return
    except Closing:
        raise
    except Exception as error:
        log.trace("broken", error, c=session.conn.id, verb=verb)
        session.reset()
        reply = Reply(451, "4.3.0", "an error of ours, please try again")
    if reply is not None:
        await answer(session, reply, verb)


_LOGGED = (b"MAIL", b"RCPT")  # whose arguments the log may have: those of AUTH are secrets


def _shown(line: bytes) -> str:
    """The word of a command that is none, for the log; "-" for one that stands alone: it may be a name or a password of
    somebody who did not wait for the answer to AUTH."""
    word, blank, _ = line.partition(b" ")
    return word[:40].decode("ascii", "backslashreplace") if blank or word.upper() in VERBS else "-"


def _loaded(word: bytes) -> Run | None:
    if word not in VERBS:
        return None
    # importlib would import more than the verb does.
    run: Run = __import__(f"mailkit.smtp.verbs.{VERBS[word]}", fromlist=("run",)).run
    _runs[word] = run
    return run


def preload() -> None:
    """Import every verb: once in a process that serves many connections."""
    for word in VERBS:
        _loaded(word)


async def _farewell(conn: Conn, status: str, text: str) -> None:
    """The last reply, if there is still somebody to hear it (RFC 5321 3.8)."""
    try:
        conn.write(Reply(421, status, f"{text} [{conn.id}]").wire())
        await conn.flush()
    except Closing:
        pass


def _leave(session: Session, ended: str) -> None:
    session.reset()
    session.facts.close()
    session.conn.outcome.update(
        peer=session.conn.peer or None,
        helo=session.helo or None,
        user=session.user.address if session.user is not None else None,
        messages=session.messages,
        refused=session.refusals or None,
        ended=ended,
    )
