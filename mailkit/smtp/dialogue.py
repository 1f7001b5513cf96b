"""Reading what the client says and answering it, for the session and every verb alike.

What a refusal looks like, how it is counted, delayed and logged is decided in `answer`, and nowhere else.
"""

from __future__ import annotations

from mailkit import log
from mailkit.net.conn import Gone
from mailkit.smtp.reply import Refused, Reply
from mailkit.smtp.wire import BadLine, TooLong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.smtp.state import Session

# RFC 5321 4.5.3.1.4 asks for 512 octets plus what extensions add; ORCPT (RFC 3461 5.4) and AUTH= (RFC 4954 3) add most,
# 500 each, and all of them make it about 1,250.
COMMAND_LIMIT = 2048
# RFC 4954 4: a base64 response may have 12,288 octets; we take as many on the AUTH line too.
AUTH_LIMIT = 12288 + len("AUTH SCRAM-SHA-256-PLUS \r\n")
_DELAY_MOST_S = 30


async def receive(session: Session) -> None:
    """Feed the receiver with whatever comes next. Gone at the end of file."""
    data = await session.conn.more()
    if not data:
        raise Gone
    session.receiver.feed(data)


async def next_line(session: Session, limit: int) -> bytes:
    """The next line of the client without CRLF. Refused when it is unfit."""
    while True:
        try:
            line = session.receiver.command(limit)
        except TooLong:
            raise Refused(500, "5.5.2", "line too long")
        except BadLine as flaw:
            # Who writes bare LF disagrees with us about where lines end: the next line may be one that
            # the sender thinks is part of a message. There is no safe way to go on.
            session.ended = "refused"
            raise Refused(521, "5.5.2", f"{flaw} in a command: lines end in CRLF, goodbye")
        if line is not None:
            return line
        data = await session.conn.more()
        if not data:
            raise Gone
        session.receiver.feed(data)


async def answer(
    session: Session, reply: Reply, verb: str, by: str = "", detail: str = "", argument: bytes = b""
) -> None:
    """Queue a reply. A refusal is counted, logged, and gets an id that finds the log line; many are delayed.

    argument: what stood behind the verb, where the log may have it.
    """
    if reply.code < 400:
        session.conn.write(reply.wire())
        return
    session.refusals += 1
    session.errors += reply.code >= 500
    found = f"{session.conn.id}-{session.refusals}"
    log.event("refuse", c=session.conn.id, peer=session.conn.peer or None, id=found, verb=verb,
              argument=argument or None, code=reply.code, status=reply.status or None, by=by or None,
              text=reply.text, detail=detail or None)  # fmt: skip
    over = session.errors - session.settings.softerrors
    if over > 0 and reply.code >= 500 and session.settings.tarpit_s:
        await session.conn.flush()
        await session.conn.pause(min(over * session.settings.tarpit_s, _DELAY_MOST_S))
    *first, last = reply.lines
    session.conn.write(Reply(reply.code, reply.status, *first, f"{last} [{found}]").wire())
    if reply.code >= 500 and session.errors >= session.settings.maxerrors and not session.ended:
        session.conn.write(Reply(421, "4.7.0", f"too many errors, goodbye [{found}]").wire())
        session.ended = "errors"
