"""File names of messages: how they are made, and what they say.

    1700000000.M123456P812Q3R5f3a90c2.mail,S=2211,W=2260:2,FS
    \\____________ unique ______________/ \\__ sizes __/ \\_ flags

Unique: seconds, microseconds, process, a counter within it, four octets of chance, the host: two machines on one file
system, two processes in one microsecond, or a clock set back do not make the same name. S= is the size of the
file, W= the size with every line end as CRLF (RFC822.SIZE), as Dovecot and Courier write them. What stands before the
colon is the base: it never changes while the message lives in the folder. After ":2," come the flags in ASCII order:
D draft, F flagged, P passed, R replied, S seen, T trashed, a to z keywords of the folder.

Reading is total: any octets are some name. No file is touched here.
"""

from __future__ import annotations

from mailkit import clock

_counter = 0


def unique() -> str:
    """A base nobody else makes, without sizes."""
    global _counter
    _counter += 1
    microseconds = clock.now_ns() // 1000
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{seconds}.M{rest:06d}P{clock.pid()}Q{_counter}R{clock.token(4)}.{clock.host()}"


def parse(filename: str) -> tuple[str, str]:
    """The base and the flag letters as they stand; "" when the name has no flags."""
    base, _, info = filename.partition(":")
    return base, info[2:] if info.startswith("2,") else ""


def with_flags(base: str, flags: str) -> str:
    """The name of a message in cur/ with these flag letters, in the order the standard wants."""
    return f"{base}:2,{''.join(sorted(set(flags)))}"


def with_sizes(base: str, size: int, wire_size: int) -> str:
    """`base` with both sizes."""
    return f"{base},S={size},W={wire_size}"


def sizes(filename: str) -> tuple[int | None, int | None]:
    """The size in octets and the size on the wire, as far as the name tells them."""
    base, _, _ = filename.partition(":")
    size = wire_size = None
    for field in base.split(",")[1:]:
        value = field[2:]
        if not (value.isascii() and value.isdigit() and len(value) <= 18):
            continue
        if field.startswith("S="):
            size = int(value)
        elif field.startswith("W="):
            wire_size = int(value)
    return size, wire_size


def received(filename: str) -> int:
    """Seconds since 1970 that stand in front of the name; 0 when it begins otherwise."""
    seconds = filename.partition(".")[0]
    return int(seconds) if seconds.isascii() and seconds.isdigit() and len(seconds) <= 11 else 0


def age(filename: str) -> tuple[int, int, str]:
    """Sort key: the order in which messages arrived, as far as their names tell it."""
    rest = filename.partition(".")[2]
    micros = rest[1:7] if rest[:1] == "M" else ""
    return received(filename), int(micros) if micros.isascii() and micros.isdigit() else 0, filename
