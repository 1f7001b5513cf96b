"""What XCLIENT and XFORWARD have in common: NAME=value attributes from a front end in control/xclientfrom."""

from __future__ import annotations

from mailkit.control.networks import Networks
from mailkit.mail import dsn
from mailkit.smtp.reply import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.smtp.state import Session

_UNKNOWN = ("[UNAVAILABLE]", "[TEMPUNAVAIL]")


def attributes(session: Session, argument: bytes, names: tuple[str, ...]) -> dict[str, str]:
    """The attributes of a command line, xtext undone, "" for what the front end does not know.

    Refused 550 for a peer that is no front end, 501 for an attribute not in `names` or a bad value.
    """
    if session.conn.peer not in session.settings.xclientfrom:
        raise Refused(550, "5.7.0", "you are no front end of ours")
    found = {}
    for word in argument.decode("utf-8", "replace").split():
        name, equals, value = word.partition("=")
        if not equals or name.upper() not in names:
            raise Refused(501, "5.5.4", f"no such attribute: {name[:40]}")
        try:
            found[name.upper()] = "" if value.upper() in _UNKNOWN else dsn.unxtext(value)
        except ValueError as error:
            raise Refused(501, "5.5.4", f"{name.upper()}: {error}")
    if not found:
        raise Refused(501, "5.5.4", "attributes are needed")
    return found


def address(text: str) -> str:
    """An IP address without Postfix's IPv6: prefix; "" stays "". Refused 501."""
    ip = text[5:] if text[:5].upper() == "IPV6:" else text
    try:
        Networks([ip] if ip else [])
    except ValueError as error:
        raise Refused(501, "5.5.4", str(error))
    return ip


def port(text: str, unknown: int) -> int:
    """A port number, `unknown` for "". Refused 501."""
    if text and not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise Refused(501, "5.5.4", "no port number")
    return int(text) if text else unknown
