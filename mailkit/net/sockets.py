"""The sockets of a mail system: name, port, who serves it. mailkit-setup writes them, mailkit-up opens them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SOCKETS = (
    ("mx", 25, "smtpd"),
    ("submission", 587, "smtpd"),
    ("submissions", 465, "smtpd"),
    ("lmtp", 24, "smtpd"),
    ("imap", 143, "imapd"),
    ("imaps", 993, "imapd"),
    ("pop3", 110, "pop3d"),
    ("pop3s", 995, "pop3d"),
)

IMPLICIT_TLS = frozenset(("submissions", "imaps", "pop3s"))


def parse(line: str) -> tuple[str, str, int]:
    """(name, address, port) of a line of control/listen: "mx 127.0.0.1 25", "imap [::]:143". ValueError."""
    words = line.split()
    if len(words) == 2:
        address, _, port = words[1].rpartition(":")
    elif len(words) == 3:
        _, address, port = words
    else:
        raise ValueError(f"{line!r} is not NAME ADDRESS PORT")
    if words[0] not in {name for name, _, _ in SOCKETS}:
        raise ValueError(f"{words[0]!r} is none of the sockets {', '.join(name for name, _, _ in SOCKETS)}")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{port!r} is no port")
    return words[0], address.strip("[]"), int(port)


def understood(lines: Iterable[str]) -> Iterator[tuple[str, str, int]]:
    """The lines of control/listen that can be understood: for who looks on (check.values names the others)."""
    for line in lines:
        try:
            yield parse(line)
        except ValueError:
            continue


def program(name: str) -> str:
    """Who serves the socket of this name."""
    return next(program for known, _, program in SOCKETS if known == name)
