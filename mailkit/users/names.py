"""Addresses of people here: what is allowed, their one canonical form, and their names on disk.

    Alice.Smith@BÜCHER.Example  ->  alice.smith@xn--bcher-kva.example

An address of this system is a dot-atom local part of at most 64 octets (RFC 5321 4.1.2, 4.5.3.1; UTF-8 by RFC 6531)
and a domain name. The canonical form is NFC and lower case, with the domain as A-labels (RFC 5890): one person has one
key in the passwd file, one directory, one throttle file. Whether two local parts that differ by case are one
person is the receiving system's business (RFC 5321 2.4): here they are.

A quoted local part is taken when it says the same as an unquoted one; other quoted forms ("a b"@...) name no mailbox
here.
"""

from __future__ import annotations

_ALNUM = "abcdefghijklmnopqrstuvwxyz0123456789"
_ATEXT = _ALNUM + "!#$%&'*+-/=?^_`{|}~"
_LDH = _ALNUM + "-"


def address(text: str) -> tuple[str, str]:
    """The canonical local part and domain of an address. ValueError says what is wrong with it."""
    local, at, name = text.rpartition("@")
    if not at:
        raise ValueError(f"{text!r} is not an address: it has no @")
    return local_part(local), domain(name)


def canonical(text: str) -> str:
    """An address in its one canonical form, "local@domain". ValueError as `address`."""
    return "@".join(address(text))


def key(text: str) -> bytes | None:
    """What an address is looked up by in a file of `key:...` lines, None when no such file can hold it: "#" would
    start a comment.

    Cheaper than `canonical` for plain ASCII, because a look-up needs no judgement: a bad address is in no file.
    """
    if text.startswith("#"):
        return None
    if text.isascii() and '"' not in text:
        if ":" in text or not text.isprintable() or " " in text or "@" not in text:
            return None
        return text.lower().encode()
    try:
        return canonical(text).encode()
    except ValueError:
        return None


def local_part(text: str) -> str:
    """A local part in canonical form: dot-atom, lower case. ValueError when it cannot be a mailbox."""
    local = _nfc(_unquoted(text)).lower()
    if len(local.encode("utf-8", "surrogatepass")) > 64:
        raise ValueError("the part before the @ is longer than 64 octets")
    if not local.isprintable():
        raise ValueError("the part before the @ holds control or blank characters")
    for atom in local.split("."):
        if not atom:
            raise ValueError("the part before the @ is empty, or has a dot at an end or two in a row")
        for char in atom.strip(_ATEXT):
            if char.isascii() and char not in _ATEXT:
                raise ValueError(f"the part before the @ may not hold {char!r}")
    return local


def domain(text: str) -> str:
    """A domain name in canonical form: lower case A-labels, no trailing dot. ValueError when it is none."""
    name = text.lower() if text.isascii() else _a_labels(text)
    labels = name.split(".")
    if len(name) > 253:
        raise ValueError("the domain is longer than 253 octets")
    for label in labels:
        if not 0 < len(label) <= 63:
            raise ValueError(f"{text!r} is not a domain: a part between dots has 1 to 63 characters")
        if label.strip(_LDH) or label[0] == "-" or label[-1] == "-":
            raise ValueError(f"{text!r} is not a domain: {label!r} has other than letters, digits and inner hyphens")
    if labels[-1].isdigit():
        raise ValueError(f"{text!r} is not a domain: it looks like an IP address")
    return name


def readable(name: str) -> str:
    """A domain or address for people to read: A-labels turned to U-labels where that is possible."""
    if "xn--" not in name:
        return name
    from mailkit.mail import idn

    local, at, host = name.rpartition("@")
    return local + at + idn.display(host)


def bases(text: str, separators: str) -> list[str]:
    """The addresses to try for one that may carry an extension, longest first.

    bases("a-b+c@d.test", "+-") -> ["a-b+c@d.test", "a-b@d.test", "a@d.test"]
    """
    local, _, host = text.rpartition("@")
    cuts = [i for i in range(len(local) - 1, 0, -1) if local[i] in separators]
    return [text, *(f"{local[:i]}@{host}" for i in cuts)]


def directory(name: str) -> str:
    """The directory of a canonical local part or domain: itself, with "/" and "%" written %2F and %25.

    Dot-atoms and domain names never start with a dot, so "." and ".." and hidden names cannot come out of it.
    """
    if not name or name.startswith(".") or "\0" in name:
        raise ValueError(f"{name!r} is not a canonical local part or domain")
    return name.replace("%", "%25").replace("/", "%2F")


def named(entry: str) -> str:
    """What `directory` made this name on disk of."""
    return entry.replace("%2F", "/").replace("%25", "%")


def _unquoted(text: str) -> str:
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    out = []
    escaped = False
    for char in text[1:-1]:
        if char == "\\" and not escaped:
            escaped = True
            continue
        out.append(char)
        escaped = False
    return "".join(out)


def _nfc(text: str) -> str:
    if text.isascii():
        return text
    import unicodedata

    # Lower case first: a capital may decompose differently from the small letter it stands for.
    return unicodedata.normalize("NFC", text.lower())


def _a_labels(text: str) -> str:
    from mailkit.mail import idn

    try:
        return idn.ascii(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a domain: {error}")
