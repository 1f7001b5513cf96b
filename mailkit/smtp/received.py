"""The Received field we put on every message (RFC 5321 4.4).

    Received: from mx.example.net (mx.example.net [192.0.2.1])
            by mail.example.test with ESMTPS id 6f1d2c7a90be3345
            for <bob@example.test>
            tls TLS_AES_256_GCM_SHA384; Sat, 21 Nov 2026 23:41:04 +0000

The protocol word after `with` is that of RFC 3848 and RFC 6531. `tls` is the clause of RFC 8314 4.3, `priority` that of
RFC 6710 7: additional clauses come last.
"""

from __future__ import annotations

from mailkit import clock
from mailkit.mail import date

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.net.conn import Tls
    from mailkit.smtp.state import Session, Transaction

_HIDDEN = "from localhost (client not shown)"  # control/hideclient: who submits from where is nobody's business

_NAME = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_[]:"

_dated: tuple[int, str] = (0, "")


def field(session: Session, transaction: Transaction, id: str) -> bytes:
    """The field with its line ends, LF."""
    tls = session.conn.tls
    clauses = f"\tby {session.settings.me} with {protocol(session, transaction.utf8)} id {id}"
    if len(transaction.recipients) == 1:
        # RFC 5321 7.2: naming one of several recipients would show who got a blind copy.
        clauses += f"\n\tfor <{transaction.recipients[0].address}>"
    if tls is not None:
        clauses += "\n\t" + _tls(tls)
    if "priority" in transaction.params:
        clauses += f"\n\tpriority {transaction.params['priority']}"
    return f"Received: {_client(session)}\n{clauses}; {_now()}\n".encode()


def protocol(session: Session, utf8: bool) -> str:
    """The word after `with`: "SMTP", "ESMTPSA", "UTF8SMTPS", "LMTP" and so on (RFC 3848, RFC 6531 4.3)."""
    if not session.extended:
        return "SMTP"
    name = "LMTP" if session.settings.lmtp else "SMTP"
    head = f"UTF8{name}" if utf8 else "LMTP" if session.settings.lmtp else "ESMTP"
    return head + ("S" if session.conn.tls is not None else "") + ("A" if session.user is not None else "")


def _client(session: Session) -> str:
    facts = session.facts
    if session.user is not None and session.settings.hideclient:
        return _HIDDEN
    if not facts.peer:
        return f"from {_word(session.helo)} (local)"
    address = f"[IPv6:{facts.peer}]" if ":" in facts.peer else f"[{facts.peer}]"
    name = f"{facts.peer_name} " if facts.peer_name else ""
    return f"from {_word(session.helo)} ({name}{address})"


def _word(helo: str) -> str:
    """The client's name where it can stand as a domain; octets that would break the field become "?"."""
    if not helo.strip(_NAME):
        return helo
    return "".join(char if char in _NAME else "?" for char in helo)


def _tls(tls: Tls) -> str:
    """The clause takes the names IANA gives; older protocols' OpenSSL names go into a comment."""
    if tls.cipher.startswith("TLS_"):
        return f"tls {tls.cipher}"
    return f"(version={tls.version} cipher={tls.cipher})"


def _now() -> str:
    global _dated
    now = int(clock.now())
    if _dated[0] != now:
        _dated = (now, date.text(now))
    return _dated[1]
