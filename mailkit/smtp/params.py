"""The parameters of MAIL and RCPT: one function each, and the tables that name them (RFC 5321 4.1.2, 4.1.1.11).

    MAIL FROM:<a@b> SIZE=1000 BODY=8BITMIME RET=HDRS ENVID=QQ314159
    RCPT TO:<c@d> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;c@d

A function gets the session, what it writes to, and the value (None where there was no "="), and raises Refused when the
value is bad or the extension does not hold. What it writes is what the queue entry carries: see queue.entry.
"""

from __future__ import annotations

from mailkit import clock
from mailkit.mail import dsn
from mailkit.smtp.reply import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from mailkit.queue.entry import Recipient
    from mailkit.smtp.state import Session, Transaction


def apply(table: dict[str, Callable[..., None]], session: Session, target: object, words: bytes) -> None:
    """Apply each parameter in `words` to `target`. Refused 555 for one not in `table`, 501 for one given twice."""
    seen = set()
    for word in words.split():
        try:
            key, equals, value = word.decode().partition("=")
        except UnicodeDecodeError:
            raise Refused(501, "5.5.4", "a parameter is no UTF-8")
        key = key.upper()
        if key not in table:
            raise Refused(555, "5.5.4", f"no such parameter: {key[:40]}")
        if key in seen:
            raise Refused(501, "5.5.4", f"{key} is given twice")
        seen.add(key)
        try:
            table[key](session, target, value if equals else None)
        except ValueError as error:
            raise Refused(501, "5.5.4", f"{key}: {error}")


def agree(transaction: Transaction) -> None:
    """Refused when a message is to be held for longer than it may take to deliver (RFC 4865 5.2.2)."""
    deadline = transaction.params.get("by", "").partition(";")[0]
    if transaction.due is not None and deadline and transaction.due > int(deadline):
        raise Refused(501, "5.5.4", "it would be held for longer than BY leaves to deliver it")


def _given(value: str | None) -> str:
    if not value:
        raise ValueError("needs a value")
    return value


def _none(value: str | None) -> None:
    if value is not None:
        raise ValueError("takes no value")


def _digits(text: str, longest: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= longest):
        raise ValueError("not a number")
    return int(text)


def _size(session: Session, transaction: Transaction, value: str | None) -> None:
    """RFC 1870 6.1."""
    size = _digits(_given(value), 20)
    if session.settings.databytes and size > session.settings.databytes:
        raise Refused(552, "5.3.4", f"message too big, {session.settings.databytes} octets are the limit")
    session.facts.size = size


def _body(session: Session, transaction: Transaction, value: str | None) -> None:
    """RFC 6152 2, RFC 3030 3."""
    word = _given(value).upper()
    if word not in ("7BIT", "8BITMIME", "BINARYMIME"):
        raise ValueError("7BIT, 8BITMIME or BINARYMIME")
    transaction.body = word


def _smtputf8(session: Session, transaction: Transaction, value: str | None) -> None:
    """RFC 6531 3.4."""
    _none(value)
    transaction.utf8 = True
    transaction.params["smtputf8"] = "yes"


def _ret(session: Session, transaction: Transaction, value: str | None) -> None:
    """RFC 3461 4.3."""
    transaction.params["ret"] = dsn.ret(_given(value))


def _envid(session: Session, transaction: Transaction, value: str | None) -> None:
    """RFC 3461 4.4."""
    transaction.params["envid"] = dsn.envid(_given(value))


def _auth(session: Session, transaction: Transaction, value: str | None) -> None:
    """RFC 4954 5: who submitted it, as the peer says. It is checked and, since we trust no peer to say so, dropped."""
    dsn.unxtext(_given(value))


def _requiretls(session: Session, transaction: Transaction, value: str | None) -> None:
    """RFC 8689 2: only on a connection that has TLS."""
    _none(value)
    if session.conn.tls is None:
        raise Refused(530, "5.7.10", "REQUIRETLS needs TLS: STARTTLS first")
    transaction.params["requiretls"] = "yes"


def _by(session: Session, transaction: Transaction, value: str | None) -> None:
    """RFC 2852 4: BY=seconds;R, BY=seconds;N, either with a T at the end. Kept as "DEADLINE;MODE", Unix seconds."""
    text, _, mode = _given(value).upper().partition(";")
    seconds = _digits(text[text[:1] in ("-", "+") :], 9) * (-1 if text.startswith("-") else 1)
    if mode not in ("R", "RT", "N", "NT"):
        raise ValueError("mode is R or N")
    if mode.startswith("R") and seconds <= 0:
        raise ValueError("the time to return at is over already")
    transaction.params["by"] = f"{int(clock.now()) + seconds};{mode}"


def _holdfor(session: Session, transaction: Transaction, value: str | None) -> None:
    """RFC 4865 3: seconds, a number without leading zeros."""
    text = _given(value)
    if text.startswith("0"):
        raise ValueError("not a number of seconds")
    _hold(session, transaction, clock.now() + _digits(text, 9), f"for;{text}")


def _holduntil(session: Session, transaction: Transaction, value: str | None) -> None:
    """RFC 4865 3: a date of RFC 3339."""
    from mailkit.smtp import release

    _hold(session, transaction, release.parse(_given(value)), f"until;{value}")


def _hold(session: Session, transaction: Transaction, due: float, asked: str) -> None:
    if not (session.settings.submission and session.settings.holdmost_s):
        raise Refused(555, "5.5.4", "FUTURERELEASE is for submission")
    if transaction.due is not None:
        raise ValueError("HOLDFOR and HOLDUNTIL are not for the same message")
    if due > clock.now() + session.settings.holdmost_s:
        # RFC 4865 4.2: beyond what was advertised.
        raise ValueError("later than this server holds messages")
    transaction.due = due
    # The schedule counts from `due`; reports tell when it came, and what was asked for (RFC 4865 5.1.2).
    transaction.params |= {"hold": asked, "came": str(int(clock.now()))}


def _priority(session: Session, transaction: Transaction, value: str | None) -> None:
    """RFC 6710 4.1, 7: -9 to 9, 0 is usual. Users may raise it: they have logged in."""
    if not session.settings.submission:
        raise Refused(555, "5.5.4", "MT-PRIORITY is for submission")
    text = _given(value)
    level = _digits(text.removeprefix("-"), 1)
    if text == "-0":
        raise ValueError("not a number")
    transaction.params["priority"] = str(-level if text.startswith("-") else level)


def _notify(session: Session, recipient: Recipient, value: str | None) -> None:
    """RFC 3461 4.1."""
    dsn.notify(_given(value))
    recipient.params["notify"] = _given(value).upper()


def _orcpt(session: Session, recipient: Recipient, value: str | None) -> None:
    """RFC 3461 4.2, RFC 6533 3."""
    dsn.orcpt(_given(value))
    recipient.params["orcpt"] = _given(value)


MAIL: dict[str, Callable[..., None]] = {
    "SIZE": _size,
    "BODY": _body,
    "SMTPUTF8": _smtputf8,
    "RET": _ret,
    "ENVID": _envid,
    "AUTH": _auth,
    "REQUIRETLS": _requiretls,
    "BY": _by,
    "HOLDFOR": _holdfor,
    "HOLDUNTIL": _holduntil,
    "MT-PRIORITY": _priority,
}
RCPT: dict[str, Callable[..., None]] = {
    "NOTIFY": _notify,
    "ORCPT": _orcpt,
}
