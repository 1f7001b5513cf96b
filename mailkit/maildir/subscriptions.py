"""subscriptions: the folders a user's clients show, in Dovecot's file.

    V<TAB>2
    <empty line>
    Sent
    Projects<TAB>2024

Version 2: the levels of a name are apart by tabs, each in modified UTF-7 as on disk; tab, line feed, NUL, CR and
\\001 within one are written \\001 and t n 0 r 1. Version 1, without the header, has "." between the levels. A file
keeps its version; a new one is version 2. Courier's courierimapsubscribed ("INBOX.Sent") is read where there is no
file of ours. Writers hold Dovecot's lock subscriptions.lock. Names that do not exist may be subscribed (RFC 9051
6.3.7).
"""

from __future__ import annotations

from mailkit import dotlock, files
from mailkit.exits import Perm
from mailkit.mail import mutf7

NAME = "subscriptions"
_HEADER = b"V\t2\n\n"
_MOST_OCTETS = 1 << 22
_ESCAPES = ((b"\x01", b"\x011"), (b"\0", b"\x010"), (b"\t", b"\x01t"), (b"\r", b"\x01r"), (b"\n", b"\x01n"))


def read(maildir: str) -> set[str]:
    """The names, "/" between levels."""
    data = _content(f"{maildir}/{NAME}")
    if data is None:
        return _courier(maildir)
    return {_name(line, data.startswith(_HEADER)) for line in _lines(data)}


def change(maildir: str, name: str, subscribed: bool) -> None:
    """Add or remove a name; durable. Temp: locked. Perm: there are too many. OSError."""
    with dotlock.DotLock(f"{maildir}/{NAME}.lock", stale_s=30, wait_s=30):
        data = _content(f"{maildir}/{NAME}")
        if data is None:
            data = _HEADER + b"".join(sorted(_line(known, True) for known in _courier(maildir)))
        modern = data.startswith(_HEADER)
        line = _line(name, modern)
        kept = [other for other in _lines(data) if other + b"\n" != line]
        if subscribed:
            kept.append(line[:-1])
        data = _HEADER * modern + b"".join(other + b"\n" for other in kept)
        if subscribed and len(data) > _MOST_OCTETS:  # of folders long deleted: what is not read would be lost
            raise Perm("There are too many subscriptions", code="5.2.0")
        files.replace(f"{maildir}/{NAME}", data)


def _lines(data: bytes) -> list[bytes]:
    return [line for line in data.removeprefix(_HEADER).split(b"\n") if line]


def _name(line: bytes, modern: bool) -> str:
    levels = line.split(b"\t" if modern else b".")
    if modern:
        levels = [_unescaped(level) for level in levels]
    return "/".join(mutf7.decode(level) for level in levels)


def _unescaped(level: bytes) -> bytes:
    for plain, escaped in reversed(_ESCAPES):
        level = level.replace(escaped, plain)
    return level


def _line(name: str, modern: bool) -> bytes:
    levels = [mutf7.encode(level) for level in name.split("/")]
    if not modern:
        return b".".join(levels) + b"\n"
    for plain, escaped in _ESCAPES:
        levels = [level.replace(plain, escaped) for level in levels]
    return b"\t".join(levels) + b"\n"


def _courier(maildir: str) -> set[str]:
    """Courier's names begin with INBOX, which is part of ours only for INBOX itself."""
    found = set()
    for line in (_content(f"{maildir}/courierimapsubscribed") or b"").split(b"\n"):
        name = _name(line.strip(), modern=False)
        if name.upper() == "INBOX":
            found.add("INBOX")
        elif name.upper().startswith("INBOX/"):
            found.add(name[6:])
    return found


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read(_MOST_OCTETS)
    except FileNotFoundError:
        return None
