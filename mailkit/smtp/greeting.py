"""The greeting; what HELO, EHLO and LHLO have in common; the table of extensions (RFC 5321 3.1, 4.1.1.1).

An extension is advertised only where it holds: each row of EXTENSIONS is asked for its EHLO line at each EHLO.
"""

from __future__ import annotations

from mailkit.control.networks import is_loopback
from mailkit.net.conn import Gone, Timeout
from mailkit.policy.verdict import REJECT
from mailkit.smtp import refusal
from mailkit.smtp.dialogue import answer
from mailkit.smtp.reply import Refused, Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from mailkit.smtp.state import Session

_NAME_LONGEST = 255  # RFC 5321 4.5.3.1.2


async def greet(session: Session) -> None:
    """The first reply, unless the client is not welcome (RFC 5321 4.3.1)."""
    facts, conn = session.facts, session.conn
    if session.settings.earlywait_s and facts.stranger and not facts.spoke_early:
        facts.spoke_early = await _spoke_early(session)
    refused = await session.settings.policy.judge("connect", facts)
    if refused is not None:
        # RFC 5321 3.1: 554 is the greeting of a server that has nothing to say to the client.
        code = 554 if refused.kind == REJECT else 421
        await answer(session, Reply(code, refused.status, refused.text), "connect", refused.by, refused.detail)
        session.ended = "refused"
        return
    conn.write(b"220 %s %s\r\n" % (session.settings.me.encode(), b"LMTP" if session.settings.lmtp else b"ESMTP"))
    await conn.flush()


async def _spoke_early(session: Session) -> bool:
    conn = session.conn
    if is_loopback(conn.peer):
        return False
    conn.idle_s = session.settings.earlywait_s
    try:
        data = await conn.more()
    except Timeout:
        return False
    finally:
        conn.idle_s = session.settings.smtptimeout_s
    if not data:
        raise Gone
    session.receiver.feed(data)
    return True


async def meet(session: Session, argument: bytes, extended: bool) -> None:
    """Take the client's name; a transaction under way is dropped (RFC 5321 4.1.4). Refused when it is not welcome."""
    name = argument.decode("utf-8", "replace").strip()
    if not name or len(name) > _NAME_LONGEST or not name.isprintable() or " " in name:
        raise Refused(501, "5.5.4", "say your host name")
    facts = session.facts
    marks = facts.marks.get("helo", [])
    facts.helo, facts.extended = name, extended
    try:
        await refusal.judge(session, "helo")
    except BaseException:
        # RFC 5321 4.1.4: after a refusal everything is as it was before.
        facts.helo, facts.extended, facts.marks["helo"] = session.helo, session.extended, marks
        raise
    session.reset()
    session.helo, session.extended = name, extended


def reply(session: Session) -> Reply:
    """The reply to HELO: our name; to EHLO and LHLO: then one extension a line."""
    lines = tuple([line for extension in EXTENSIONS if (line := extension(session))]) if session.extended else ()
    settings = session.settings
    if lines not in settings.replies:
        settings.replies[lines] = Reply(250, "", settings.me, *lines)
    return settings.replies[lines]


def _size(session: Session) -> str:
    """RFC 1870 3: 0 says that there is no limit; without a number we would have to look for room at each MAIL (7)."""
    return f"SIZE {session.settings.databytes}"


def _starttls(session: Session) -> str:
    """RFC 3207 4.2: there is a certificate, and no TLS yet."""
    return "STARTTLS" if session.conn.can_starttls else ""


def _auth(session: Session) -> str:
    """RFC 4954 3: on the submission services, and only where a password may be sent."""
    if not session.settings.submission or session.user is not None:
        return ""
    from mailkit.users import login

    mechanisms = login.mechanisms(session.conn, session.home)
    return f"AUTH {' '.join(mechanisms)}" if mechanisms else ""


def _requiretls(session: Session) -> str:
    """RFC 8689 2: only once TLS is there."""
    return "REQUIRETLS" if session.conn.tls is not None else ""


def _futurerelease(session: Session) -> str:
    """RFC 4865 3: the longest interval in seconds, and the latest date; on submission services only (4.2)."""
    if not (session.settings.submission and session.settings.holdmost_s):
        return ""
    from mailkit.smtp import release

    return f"FUTURERELEASE {session.settings.holdmost_s} {release.latest(session.settings.holdmost_s)}"


def _mt_priority(session: Session) -> str:
    """RFC 6710 3."""
    return "MT-PRIORITY" if session.settings.submission else ""


def _limits(session: Session) -> str:
    """RFC 9422 4."""
    return f"LIMITS MAILMAX={session.settings.maxmessages} RCPTMAX={session.settings.maxrcpt}"


def _expn(session: Session) -> str:
    """RFC 5321 3.5.2: who supports it lists it."""
    return "EXPN" if session.settings.vrfy else ""


def _xclient(session: Session) -> str:
    """Postfix's XCLIENT, for listed front ends."""
    if session.conn.peer not in session.settings.xclientfrom:
        return ""
    return "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT"


def _xforward(session: Session) -> str:
    """Postfix's XFORWARD, for listed front ends."""
    if session.conn.peer not in session.settings.xclientfrom:
        return ""
    return "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE"


def _always(line: str) -> Callable[[Session], str]:
    return lambda session: line


EXTENSIONS: tuple[Callable[[Session], str], ...] = (
    _always("PIPELINING"),  # RFC 2920
    _size,
    _starttls,
    _auth,
    _always("8BITMIME"),  # RFC 6152
    _always("SMTPUTF8"),  # RFC 6531
    _always("ENHANCEDSTATUSCODES"),  # RFC 2034
    _always("CHUNKING"),  # RFC 3030
    _always("BINARYMIME"),  # RFC 3030
    _always("DSN"),  # RFC 3461
    _always("DELIVERBY"),  # RFC 2852
    _always("HELP"),  # RFC 5321 4.1.1.1: every command that is not one of 4.5.1 is listed
    _expn,
    _requiretls,
    _futurerelease,
    _mt_priority,
    _limits,
    _xclient,
    _xforward,
)
