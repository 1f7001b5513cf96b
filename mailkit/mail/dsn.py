"""Delivery status: the SMTP parameters that ask for it, its fields, its codes (RFC 3461, 3463, 3464, 6533).

The parameters come from a program and are read strictly: ValueError with a sentence for the reply. A report is
built elsewhere; here is the text of its machine-readable part, with LF line ends.
"""

from __future__ import annotations

from mailkit.mail import date, header

_ENVID_LONGEST = 100  # RFC 3461 4.4
_ORCPT_LONGEST = 500  # RFC 3461 4.2
_HEX_UPPER = "0123456789ABCDEF"
_ACTIONS = ("failed", "delayed", "delivered", "relayed", "expanded")
_NOTIFY = ("SUCCESS", "FAILURE", "DELAY")

# RFC 3463 3.2 to 3.8, and from the registry of RFC 5248 what a mail system of today meets.
_MEANINGS = {
    "0.0": "other or undefined status",
    "1.0": "other address trouble",
    "1.1": "no such mailbox",
    "1.2": "no such mail system",
    "1.3": "bad mailbox address syntax",
    "1.4": "mailbox address is ambiguous",
    "1.5": "mailbox address is valid",
    "1.6": "mailbox has moved",
    "1.7": "bad sender address syntax",
    "1.8": "bad sender's system address",
    "1.9": "message relayed to a system without reports",
    "1.10": "recipient domain accepts no mail",
    "2.0": "other mailbox trouble",
    "2.1": "mailbox is disabled",
    "2.2": "mailbox is full",
    "2.3": "message is larger than the mailbox takes",
    "2.4": "mailing list expansion trouble",
    "3.0": "other mail system trouble",
    "3.1": "mail system is full",
    "3.2": "mail system accepts no mail now",
    "3.3": "mail system lacks a feature",
    "3.4": "message is too big for the system",
    "3.5": "mail system is wrongly configured",
    "4.0": "other network or routing trouble",
    "4.1": "no answer from the host",
    "4.2": "bad connection",
    "4.3": "directory server failure",
    "4.4": "no route",
    "4.5": "mail system is congested",
    "4.6": "routing loop",
    "4.7": "delivery time has run out",
    "5.0": "other protocol trouble",
    "5.1": "invalid command",
    "5.2": "syntax error",
    "5.3": "too many recipients",
    "5.4": "invalid command arguments",
    "5.5": "wrong protocol version",
    "5.6": "authentication exchange line is too long",
    "6.0": "other content trouble",
    "6.1": "content type is not taken",
    "6.2": "conversion is needed and forbidden",
    "6.3": "conversion is needed and not done here",
    "6.4": "conversion would lose something",
    "6.5": "conversion failed",
    "6.7": "addresses outside ASCII are not taken",
    "6.8": "replies outside ASCII are not taken",
    "6.9": "header outside ASCII cannot be sent on",
    "7.0": "other policy or security trouble",
    "7.1": "delivery is not permitted",
    "7.2": "mailing list expansion is not permitted",
    "7.3": "security conversion is needed and not possible",
    "7.4": "security feature is not there",
    "7.5": "cryptographic failure",
    "7.6": "cryptographic algorithm is not there",
    "7.7": "message was changed on its way",
    "7.8": "credentials are wrong",
    "7.9": "authentication mechanism is too weak",
    "7.10": "encryption is needed",
    "7.11": "encryption is needed for this mechanism",
    "7.13": "account is disabled",
    "7.20": "no valid DKIM signature",
    "7.21": "no acceptable DKIM signature",
    "7.23": "SPF check failed",
    "7.24": "SPF check had an error",
    "7.25": "reverse DNS check failed",
    "7.26": "several authentication checks failed",
    "7.27": "sender domain takes no mail",
    "7.28": "mail flood",
    "7.29": "ARC check failed",
    "7.30": "TLS is required and not there",
}


def xtext(text: str) -> str:
    """RFC 3461 4: controls, blanks, + and = and (as UTF-8) everything outside ASCII become +XX."""
    return "".join(
        chr(octet) if 33 <= octet <= 126 and octet not in b"+=" else f"+{octet:02X}"
        for octet in text.encode("utf-8", "replace")
    )


def unxtext(text: str) -> str:
    """The text of xtext. ValueError where it is none, or is not UTF-8."""
    first, *rest = text.split("+")
    octets = bytearray(_xchars(first))
    for piece in rest:
        if len(piece) < 2 or piece[0] not in _HEX_UPPER or piece[1] not in _HEX_UPPER:
            raise ValueError("xtext has a + without two hexadecimal digits in upper case")
        octets.append(int(piece[:2], 16))
        octets += _xchars(piece[2:])
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise ValueError("xtext is not UTF-8")


def _xchars(text: str) -> bytes:
    if not all("!" <= character <= "~" and character != "=" for character in text):
        raise ValueError("xtext has a character that must be written as +XX")
    return text.encode("ascii")


def notify(text: str) -> tuple[str, ...]:
    """("NEVER",), or some of SUCCESS, FAILURE, DELAY in this order (RFC 3461 4.1). ValueError."""
    words = text.upper().split(",")
    if words == ["NEVER"]:
        return ("NEVER",)
    if not set(words) <= set(_NOTIFY) or len(set(words)) != len(words):
        raise ValueError("NOTIFY is NEVER, or a list of SUCCESS, FAILURE and DELAY")
    return tuple(word for word in _NOTIFY if word in words)


def ret(text: str) -> str:
    """`FULL` or `HDRS` (RFC 3461 4.3). ValueError."""
    if text.upper() not in ("FULL", "HDRS"):
        raise ValueError("RET is FULL or HDRS")
    return text.upper()


def envid(text: str) -> str:
    """The envelope id decoded: printable ASCII, at most 100 characters of xtext (RFC 3461 4.4). ValueError."""
    decoded = unxtext(text)
    if not decoded or len(text) > _ENVID_LONGEST:
        raise ValueError("ENVID is one to 100 characters")
    if not (decoded.isascii() and decoded.isprintable()):
        raise ValueError("ENVID is printable ASCII")
    return decoded


def orcpt(text: str) -> tuple[str, str]:
    """(address type in lower case, address decoded) of `rfc822;user+2Btag@example` (RFC 3461 4.2). ValueError.

    The address is kept as it came, without a check of its syntax, as the RFC asks.
    """
    kind, semicolon, coded = text.partition(";")
    if not semicolon or not coded or not kind.isascii() or not kind.replace("-", "").isalnum():
        raise ValueError("ORCPT is an address type, a semicolon and an address")
    if len(text) > _ORCPT_LONGEST:
        raise ValueError("ORCPT is longer than 500 characters")
    address = _ununitext(coded) if kind.lower() == "utf-8" else unxtext(coded)
    if not address.isprintable():
        raise ValueError("ORCPT has a control character")
    return kind.lower(), address


def recipient(kind: str, address: str, utf8: bool = False) -> str:
    """`type;address` as an ORCPT parameter: rfc822 as xtext, utf-8 as RFC 6533 3 writes it.

    utf8: the peer has SMTPUTF8, so characters outside ASCII stand for themselves.
    """
    return f"{kind};{unitext(address, utf8) if kind == 'utf-8' else xtext(address)}"


def unitext(address: str, utf8: bool) -> str:
    """utf-8-addr-unitext (utf8) or utf-8-addr-xtext of RFC 6533 3: \\x{E9} for what cannot stand."""
    return "".join(
        character
        if ("!" <= character <= "~" and character not in "+=\\") or (utf8 and character > "\x9f")
        else f"\\x{{{ord(character):X}}}"
        for character in address
    )


def _ununitext(text: str) -> str:
    first, *rest = text.split("\\x{")
    out = [first]
    for piece in rest:
        point, brace, tail = piece.partition("}")
        if not brace or not 1 <= len(point) <= 6 or not all(digit in _HEX_UPPER for digit in point.upper()):
            raise ValueError("address has \\x{ without a code point and a closing brace")
        number = int(point, 16)
        if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
            raise ValueError("address has a code point that is no character")
        out += [chr(number), tail]
    return "".join(out)


def per_message(
    reporting_mta: str,
    *,
    envid: str = "",
    received_from: str = "",
    arrival: int | None = None,
    deliver_by: int | None = None,
    release: str = "",
) -> bytes:
    """The per-message fields of RFC 3464 2.2, without the empty line after them.

    envid: decoded. received_from: the name the client gave. arrival: Unix seconds; so deliver_by, the deadline that
    the sender set (RFC 2852 5). release: "for;3600" or "until;2027-01-01T08:00:00Z", as they held it back (RFC 4865
    5.1.2).
    """
    return _lines(
        ("Original-Envelope-Id", envid),
        ("Reporting-MTA", f"dns; {reporting_mta}"),
        ("Received-From-MTA", received_from and f"dns; {received_from}"),
        ("Arrival-Date", _moment(arrival)),
        ("Deliver-By-Date", _moment(deliver_by)),
        ("Future-Release-Request", release),
    )


def per_recipient(
    final: str,
    action: str,
    status: str,
    *,
    original: tuple[str, str] | None = None,
    remote_mta: str = "",
    diagnostic: str = "",
    last_attempt: int | None = None,
    retry_until: int | None = None,
    log_id: str = "",
    utf8: bool = False,
) -> bytes:
    """The fields of RFC 3464 2.3 for one recipient, without the empty line before them.

    final: the address we tried. action: failed, delayed, delivered, relayed or expanded. status: "5.1.1".
    original: what `orcpt` gave. diagnostic: the reply of the remote server, "550 5.1.1 no such user". Times are
    Unix seconds. utf8: for message/global-delivery-status, where addresses stand in UTF-8 (RFC 6533 4.1).
    """
    if action not in _ACTIONS:
        raise ValueError(f"action {action!r} is not one of RFC 3464")
    kind = "rfc822" if final.isascii() else "utf-8"
    return _lines(
        ("Original-Recipient", _typed(*original, utf8) if original else ""),
        ("Final-Recipient", _typed(kind, final, utf8)),
        ("Action", action),
        ("Status", status),
        ("Remote-MTA", remote_mta and f"dns; {remote_mta}"),
        ("Diagnostic-Code", diagnostic and f"smtp; {diagnostic}"),
        ("Last-Attempt-Date", _moment(last_attempt)),
        ("Final-Log-ID", log_id),
        ("Will-Retry-Until", _moment(retry_until) if action == "delayed" else ""),
        utf8=utf8,
    )


def _typed(kind: str, address: str, utf8: bool) -> str:
    """`rfc822; address` in a report: not xtext there; utf-8 as itself, or escaped where only ASCII goes."""
    return f"{kind}; {address if kind != 'utf-8' or utf8 else unitext(address, False)}"


def _moment(seconds: int | None) -> str:
    return "" if seconds is None else date.text(seconds)


def _lines(*found: tuple[str, str], utf8: bool = False) -> bytes:
    """Field lines of those that have a value; what is not ASCII is escaped, a report is no place to lose it."""
    lines = [
        header.structured(name, value if utf8 else value.encode("ascii", "backslashreplace").decode())
        for name, value in found
        if value
    ]
    return b"".join(lines)


def status(text: str) -> tuple[int, int, int] | None:
    """(class, subject, detail) of an enhanced status code `5.1.1` (RFC 3463 2), or None."""
    parts = text.split(".")
    if len(parts) != 3 or parts[0] not in ("2", "4", "5"):
        return None
    if not all(part.isascii() and part.isdigit() and len(part) <= 3 for part in parts):
        return None
    return int(parts[0]), int(parts[1]), int(parts[2])


def meaning(text: str) -> str:
    """What a status code says, in a few words; of its subject where the detail is not known."""
    found = status(text)
    if found is None:
        return _MEANINGS["0.0"]
    _, subject, detail = found
    return _MEANINGS.get(f"{subject}.{detail}") or _MEANINGS.get(f"{subject}.0") or _MEANINGS["0.0"]
