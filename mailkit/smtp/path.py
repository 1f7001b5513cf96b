"""Paths and addresses of MAIL, RCPT and VRFY as texts (RFC 5321 4.1.2); `mail.address` reads them."""

from __future__ import annotations

from mailkit.mail import address
from mailkit.smtp.reply import Refused

# What is in nearly every address; one with nothing else but an @ needs no parser.
_PLAIN = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_+="
_PLAIN_LONGEST = 64


def read(argument: bytes, status: str) -> tuple[str, bytes]:
    """("local@domain", what follows) of `<local@domain> SIZE=1`; "" for `<>`, no domain for `<postmaster>`.

    May hold UTF-8: the caller refuses that where SMTPUTF8 is not given. Refused 501 with `status` for bad syntax.
    """
    end = argument.find(b">")
    inner = argument[1:end]
    if argument[:1] == b"<" and argument[end + 1 : end + 2] in (b" ", b"") and _is_plain(inner):
        return inner.decode("ascii"), argument[end + 2 :]
    try:
        mailbox, rest = address.path(argument, utf8=True)
    except ValueError as error:
        raise Refused(501, status, str(error))
    return ("" if mailbox is None else str(mailbox)), rest


def asked(argument: bytes) -> tuple[str, bool]:
    """What VRFY or EXPN asks about, and whether the answer may be UTF-8: SMTPUTF8 may follow (RFC 6531 3.7.4.2)."""
    text = argument.decode("utf-8", "replace").strip()
    utf8 = text.upper().endswith(" SMTPUTF8")
    return (text[: -len(" SMTPUTF8")] if utf8 else text).strip("<> "), utf8


def mailbox(text: str) -> str:
    """A checked address without angle brackets. Refused 501."""
    try:
        return str(address.mailbox(text))
    except ValueError as error:
        raise Refused(501, "5.1.3", str(error))


def _is_plain(inner: bytes) -> bool:
    if len(inner) > _PLAIN_LONGEST or inner.translate(None, _PLAIN) != b"@" or b".." in inner:
        return False
    local, _, domain = inner.partition(b"@")
    if not local or not domain or local[0] == 46 or local[-1] == 46:
        return False
    # RFC 5321 4.1.2 (sub-domain): labels of a domain neither begin nor end with a hyphen.
    return not (domain[0] in b".-" or domain[-1] in b".-" or b"-." in domain or b".-" in domain) and not (
        b"+" in domain or b"=" in domain
    )
