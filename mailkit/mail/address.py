"""Addresses as SMTP writes them (RFC 5321 4.1.2, RFC 6531 3.3): strict, because the peer is a program.

A Mailbox is a local part (unquoted: what it means) and a domain (as given: a name or a literal in brackets).
For the lists people's programs write into From and To see `addresslist`.
"""

from __future__ import annotations

_LOCAL_LONGEST = 64  # octets, RFC 5321 4.5.3.1.1
_DOMAIN_LONGEST = 255  # octets, RFC 5321 4.5.3.1.2
_PATH_LONGEST = 1024  # RFC 5321 4.5.3.1.3 asks for 256; source routes may be longer
_QUOTE, _GREATER, _BACKSLASH = b'">\\'
_ATEXT = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~")
_CONTROLS = frozenset(map(chr, (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)))
_LET_DIG_HYP = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


class Mailbox:
    """One address. Equal means spelled equal; to compare as mail does use `canonical`."""

    __slots__ = ("domain", "local")

    def __init__(self, local: str, domain: str) -> None:
        self.local = local
        self.domain = domain

    def __str__(self) -> str:
        """The form for the wire, the local part quoted where it must be; no @ without a domain."""
        local = self.local if _is_dot_string(self.local) else _quoted(self.local)
        return f"{local}@{self.domain}" if self.domain else local

    def __repr__(self) -> str:
        return f"Mailbox({self.local!r}, {self.domain!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mailbox) and (self.local, self.domain) == (other.local, other.domain)

    def __hash__(self) -> int:
        return hash((self.local, self.domain))

    @property
    def is_literal(self) -> bool:
        return self.domain.startswith("[")


def path(argument: bytes, utf8: bool = False) -> tuple[Mailbox | None, bytes]:
    """(mailbox, the octets after the path without leading blanks) of `<a@b> SIZE=1`.

    None is the null reverse path `<>`. `<postmaster>` (any case) is a Mailbox without domain; whether either is
    fit for the command is for the caller. A source route is read and ignored (RFC 5321 appendix C).
    utf8: SMTPUTF8 was given. ValueError with a sentence for the reply.
    """
    if not argument.startswith(b"<"):
        raise ValueError("address must stand in angle brackets, as in <user@example.org>")
    end = _path_end(argument)
    inner = _text(argument[1:end], utf8)
    rest = argument[end + 1 :]
    if rest[:1] not in (b"", b" ", b"\t"):
        raise ValueError("there is something directly after the address")
    if not inner:
        return None, rest.lstrip(b" \t")
    if inner.startswith("@"):
        inner = _without_route(inner)
    if inner.lower() == "postmaster":
        return Mailbox(inner, ""), rest.lstrip(b" \t")
    return mailbox(inner), rest.lstrip(b" \t")


def _path_end(argument: bytes) -> int:
    """Where the closing bracket is; one inside a quoted local part does not count."""
    at = 1
    if b'"' in argument:
        quoted = False
        for at in range(1, min(len(argument), _PATH_LONGEST)):
            octet = argument[at]
            if octet == _QUOTE and not (quoted and _escaped(argument, at)):
                quoted = not quoted
            elif octet == _GREATER and not quoted:
                return at
        raise ValueError("address has no end")
    end = argument.find(b">", 1, _PATH_LONGEST)
    if end < 0:
        raise ValueError("address has no end")
    return end


def _escaped(octets: bytes, at: int) -> bool:
    """Whether an odd number of backslashes stands before `at`."""
    first = at
    while octets[first - 1] == _BACKSLASH:
        first -= 1
    return (at - first) % 2 == 1


def _text(octets: bytes, utf8: bool) -> str:
    if octets.isascii():
        return octets.decode("ascii")
    if not utf8:
        raise ValueError("address is not ASCII and SMTPUTF8 was not asked for")
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise ValueError("address is not UTF-8")


def _without_route(inner: str) -> str:
    """The mailbox of `@one,@two:user@three`."""
    route, colon, rest = inner.partition(":")
    if not colon:
        raise ValueError("source route has no end")
    for hop in route.split(","):
        if not hop.startswith("@"):
            raise ValueError("source route is not a list of @domains")
        _check_domain(hop[1:])
    return rest


def mailbox(text: str) -> Mailbox:
    """The Mailbox of `local@domain`, `"quoted local"@domain`, `local@[192.0.2.1]`. ValueError."""
    local, at, domain = text.rpartition("@")
    if not at:
        raise ValueError("address has no domain")
    local = _unquoted(local) if local.startswith('"') else _dot_string(local)
    if len(local.encode()) > _LOCAL_LONGEST:
        raise ValueError("local part is longer than 64 octets")
    _check_domain(domain)
    return Mailbox(local, domain)


def _is_dot_string(local: str) -> bool:
    return (
        bool(local)
        and all(local.split("."))
        and all(character in _ATEXT or character == "." or character > "\x7f" for character in local)
    )


def _dot_string(local: str) -> str:
    if not _is_dot_string(local):
        raise ValueError("local part is not well-formed")
    _refuse_controls(local)
    return local


def _quoted(local: str) -> str:
    return '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unquoted(local: str) -> str:
    """RFC 5321 Quoted-string: printable ASCII, blanks and (RFC 6531) more; no controls."""
    if len(local) < 2 or not local.endswith('"'):
        raise ValueError("local part has no closing quote")
    characters = []
    inner = iter(local[1:-1])
    for character in inner:
        if character == '"':
            raise ValueError("local part has a quote inside")
        if character == "\\":
            character = next(inner, "")
        if not character:
            raise ValueError("local part has no closing quote")
        characters.append(character)
    text = "".join(characters)
    _refuse_controls(text)
    return text


def _refuse_controls(text: str) -> None:
    if not _CONTROLS.isdisjoint(text):
        raise ValueError("address has a control character")


def _check_domain(domain: str) -> None:
    if domain.startswith("["):
        _check_literal(domain)
        return
    if not domain.isascii():
        from mailkit.mail import idn

        domain = idn.ascii(domain)
    if len(domain) > _DOMAIN_LONGEST:
        raise ValueError("domain is longer than 255 octets")
    for label in domain.split("."):
        if not 0 < len(label) <= 63 or "-" in (label[0], label[-1]) or not _LET_DIG_HYP.issuperset(label):
            raise ValueError("domain is not well-formed")


def _check_literal(domain: str) -> None:
    """RFC 5321 4.1.3: IPv4, or IPv6 after its tag; no other tag has been registered."""
    inner = domain[1:-1]
    if not domain.endswith("]"):
        raise ValueError("address literal has no end")
    if inner[:5].lower() == "ipv6:":
        if not _is_ipv6(inner[5:]):
            raise ValueError("address literal is not an IPv6 address")
    elif not _is_ipv4(inner):
        raise ValueError("address literal is not an IP address")


def _is_ipv4(text: str) -> bool:
    parts = text.split(".")
    return len(parts) == 4 and all(
        part.isascii() and part.isdigit() and len(part) <= 3 and int(part) <= 255 for part in parts
    )


def _is_ipv6(text: str) -> bool:
    head, gap, tail = text.partition("::")
    if "::" in tail or (gap and (tail.startswith(":") or head.endswith(":"))):
        return False
    groups = (head.split(":") if head else []) + (tail.split(":") if tail else [])
    count = len(groups)
    if groups and "." in groups[-1]:
        if not _is_ipv4(groups.pop()):
            return False
        count += 1
    if not all(0 < len(group) <= 4 and all(digit in "0123456789abcdefABCDEF" for digit in group) for group in groups):
        return False
    return count <= 7 if gap else count == 8


def canonical(text: str) -> str:
    """The form to compare and look up addresses by: lower case, quotes only where needed, A-labels.

    The local part is lowered too: nobody runs `Bob` and `bob` as two users (RFC 5321 2.4 leaves it to the
    final host). ValueError where `text` is no address.
    """
    from mailkit.mail import idn

    found = mailbox(text)
    local = found.local.lower()
    if not local.isascii():
        import unicodedata

        local = unicodedata.normalize("NFC", local)  # RFC 6532 3.1
    return str(Mailbox(local, found.domain.lower() if found.is_literal else idn.ascii(found.domain)))
