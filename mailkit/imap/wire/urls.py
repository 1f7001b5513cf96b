"""URLs of messages and their parts (RFC 5092 section 11, RFC 4467 section 9), pure.

    imap://alice%40example.org@mail.example.org/INBOX;UIDVALIDITY=7/;UID=20/;SECTION=1.2/;PARTIAL=0.1024
        ;EXPIRE=2026-12-24T18:00:00Z;URLAUTH=user+bob%40example.org:internal:01ab...
    /Drafts;UIDVALIDITY=7/;UID=20/;SECTION=HEADER       on this server, of the user who is logged in
    ;UID=20                                             in the selected mailbox

A URL that is none raises ValueError; it comes from somebody who has it from somebody, so the text says little.
"""

from __future__ import annotations

from mailkit.imap.wire import Bad, items
from mailkit.imap.wire.reader import Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.wire.items import Item

SCHEME = b"imap://"
URL_MOST_OCTETS = 4096
PLACES = (b"UIDVALIDITY", b"UID", b"SECTION", b"PARTIAL", b"EXPIRE", b"URLAUTH")
"""What `;` leads to, in this order."""
ACCESS = (b"anonymous", b"authuser", b"user+", b"submit+")
"""Who may use an authorized URL (RFC 4467 section 3); behind a plus stands a user's name."""
TO_THE_END = 1 << 62
_HEX = b"0123456789abcdefABCDEF"


class Url:
    """What a URL names. user, host, port, mailbox: None where it is relative; section: octets as FETCH takes them."""

    __slots__ = (
        "access", "access_user", "expire_s", "host", "mailbox", "mechanism", "partial", "port", "rump", "section",
        "token", "uid", "uidvalidity", "user",
    )  # fmt: skip

    def __init__(self) -> None:
        self.user: str | None = None
        self.host: str | None = None
        self.port: int | None = None
        self.mailbox: str | None = None
        self.uidvalidity: int | None = None
        self.uid = 0
        self.section = b""
        self.partial: tuple[int, int] | None = None
        self.expire_s: int | None = None
        self.access = b""  # one of ACCESS, or empty: no URLAUTH
        self.access_user = ""
        self.mechanism = b""  # lower case; empty: the URL is a rump, that wants to be authorized
        self.token = b""
        self.rump = b""  # everything in front of mechanism and token

    def item(self, name: str = "BODY.PEEK") -> Item:
        """The FETCH item that has its octets: BODY.PEEK or BINARY.PEEK. ValueError: no such section."""
        reader = Reader(name.encode("ascii") + b"[" + self.section + b"]")
        try:
            (found,) = items.read(reader)
            reader.end()
        except Bad as error:
            raise ValueError(str(error))
        found.partial = self.partial
        return found


def read(octets: bytes) -> Url:
    """The parts of a URL of one message. ValueError."""
    if len(octets) > URL_MOST_OCTETS or octets.translate(None, _ALLOWED):
        raise ValueError("a URL is short and of ASCII characters")
    url = Url()
    path = octets
    if octets[: len(SCHEME)].lower() == SCHEME:
        server, slash, path = octets[len(SCHEME) :].partition(b"/")
        _server(url, server)
        path = slash + path
    head, *pieces = path.split(b";")
    if head.strip(b"/"):
        if not head.startswith(b"/"):
            raise ValueError("the path of a mailbox begins with a slash")
        url.mailbox = _text(head[1:].removesuffix(b"/"))
    _pieces(url, pieces)
    if url.access:
        tail = b":" + octets.rpartition(b";")[2].partition(b":")[2] if url.mechanism else b""
        url.rump = octets[: len(octets) - len(tail)]
    return url


_ALLOWED = bytes(c for c in range(33, 127) if c not in b'"<>\\^`{|}')


def _server(url: Url, server: bytes) -> None:
    """[user[;AUTH=x]@]host[:port]."""
    info, at, host = server.rpartition(b"@")
    if at:
        url.user = _text(info.partition(b";")[0]) or None
    name, colon, port = host.rpartition(b":") if not host.endswith(b"]") else (host, b"", b"")
    if not colon:
        name = host
    elif not port.isdigit() or len(port) > 5:
        raise ValueError("a port is a number")
    else:
        url.port = int(port)
    url.host = _text(name).lower()
    if not url.host:
        raise ValueError("a server has a name")


def _pieces(url: Url, pieces: list[bytes]) -> None:
    """Everything behind a `;`."""
    last = -1
    for at, piece in enumerate(pieces):
        name, equals, value = piece.partition(b"=")
        name = name.upper()
        if not equals or name not in PLACES or PLACES.index(name) <= last:
            raise ValueError("UIDVALIDITY, UID, SECTION, PARTIAL, EXPIRE and URLAUTH follow each other")
        last = PLACES.index(name)
        if at < len(pieces) - 1:
            value = value.removesuffix(b"/")
        if name == b"UIDVALIDITY":
            url.uidvalidity = _number(value)
        elif name == b"UID":
            url.uid = _number(value)
        elif name == b"SECTION":
            url.section = _octets(value)
        else:
            _end(url, name, value)
    if not url.uid:
        raise ValueError("a URL of a message has a UID")


def _end(url: Url, name: bytes, value: bytes) -> None:
    if name == b"PARTIAL":
        origin, dot, octets = value.partition(b".")
        url.partial = (_number(origin, least=0), _number(octets) if dot else TO_THE_END)
    elif name == b"EXPIRE":
        url.expire_s = _seconds(value)
    else:
        _access(url, value)


def _access(url: Url, value: bytes) -> None:
    """access[:mechanism:token]."""
    access, *verifier = value.split(b":")
    kind, plus, user = access.partition(b"+")
    url.access = kind.lower() + plus
    url.access_user = _text(user)
    if url.access not in ACCESS or bool(plus) != bool(user):
        raise ValueError("a URL is for anonymous, authuser, user+name or submit+name")
    if verifier:
        if len(verifier) != 2 or not verifier[0] or len(verifier[1]) < 32 or verifier[1].strip(_HEX):
            raise ValueError("an authorized URL ends with mechanism and token")
        url.mechanism, url.token = verifier[0].lower(), verifier[1]


def _number(digits: bytes, least: int = 1) -> int:
    if not digits.isdigit() or len(digits) > 10 or not least <= int(digits) < 1 << 32:
        raise ValueError("a number of a URL fits 32 bits")
    return int(digits)


def _seconds(value: bytes) -> int:
    """RFC 3339 date-time: 2026-12-24T18:00:00.5Z. Seconds since 1970."""
    from datetime import datetime

    found = datetime.fromisoformat(_text(value).upper())
    if found.tzinfo is None or len(value) < len("2026-12-24T18:00:00Z"):
        raise ValueError("an expiry has a date, a time and a zone")
    return int(found.timestamp())


def _octets(text: bytes) -> bytes:
    """`%41` undone."""
    first, *rest = text.split(b"%")
    found = [first]
    for piece in rest:
        if len(piece) < 2 or piece[:2].strip(_HEX):
            raise ValueError("a percent sign is followed by two hexadecimal digits")
        found.append(bytes([int(piece[:2], 16)]) + piece[2:])
    return b"".join(found)


def _text(octets: bytes) -> str:
    """The same as UTF-8 (RFC 5092 section 8)."""
    found = _octets(octets).decode("utf-8")  # UnicodeDecodeError is a ValueError
    if "\0" in found or "\r" in found or "\n" in found:
        raise ValueError("a name in a URL holds no control octets")
    return found


def shown(octets: bytes) -> str:
    """A URL, right or wrong, as it may stand in a response code (RFC 4469 section 4.1)."""
    return "".join(chr(c) if c in _ALLOWED and c != 0x5D else f"%{c:02X}" for c in octets[:URL_MOST_OCTETS])
