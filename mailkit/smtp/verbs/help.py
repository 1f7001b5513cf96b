"""HELP (RFC 5321 4.1.1.8)."""

from __future__ import annotations

from mailkit.smtp.reply import Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.smtp.state import Session

_SMTP = Reply(
    214,
    "2.0.0",
    "HELO EHLO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY EXPN STARTTLS AUTH",
    "mailkit-smtpd(8) tells the rest",
)
_LMTP = Reply(
    214, "2.0.0", "LHLO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY EXPN STARTTLS", "mailkit-smtpd(8) tells the rest"
)


async def run(session: Session, argument: bytes) -> Reply:
    """The verbs there are."""
    return _LMTP if session.settings.lmtp else _SMTP
