r"""A user's own instructions: .qmail files as in dot-qmail(5), and .forward. Reading only; deliver.instructions
obeys.

    # comment                        |command            to a program
    ./Maildir/   /path/to/Maildir/   a Maildir           &bob@example.net   or   bob@example.net    sent on
    ./Mailbox    /path/to/mbox       an mbox file        +list              a mailing list: only addresses follow

For user+a-b the first of these that exists counts: .qmail-a-b, .qmail-a-default, .qmail-default, .forward+a-b,
.qmail, .forward. In names the extension is lower case and a dot is written ":".  An empty file and none at all mean
the Maildir; a file with nothing but comments throws the message away.
"""

from __future__ import annotations

import os
import stat

from mailkit.exits import Temp

LARGEST = 64 << 10  # octets of a dot file

MAILDIR = "maildir"
MBOX = "mbox"
PROGRAM = "program"
ADDRESS = "address"
LIST = "list"  # the addresses after it are those of a mailing list
MAILBOX = "mailbox"  # the user's own Maildir: \user in a .forward


class Instruction:
    """One line. kind: one of the words above; value: path, command or address."""

    __slots__ = ("kind", "value")

    def __init__(self, kind: str, value: str = "") -> None:
        self.kind = kind
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Instruction) and (self.kind, self.value) == (other.kind, other.value)

    def __repr__(self) -> str:
        return f"Instruction({self.kind!r}, {self.value!r})"


EMPTY: list[Instruction] = []  # of a file without an octet


class Dotfile:
    """A dot file that applies. default: the part of the extension that "default" in its name stands for."""

    __slots__ = ("default", "instructions", "path")

    def __init__(self, path: str, default: str, instructions: list[Instruction]) -> None:
        self.path = path
        self.default = default
        self.instructions = instructions


def find(directory: str, extension: str, separators: str) -> Dotfile | None:
    """The dot file of a user's home for an extension, None when there is none, or it is empty (the Maildir is meant).

    Temp when it cannot be read, may be written by others, or cannot be understood: then the message waits.
    """
    for name, default in candidates(extension, separators):
        found = _read(directory, name, default)
        if found is not None:
            return found if found.instructions is not EMPTY else None
    return None


def find_of_domain(directory: str, local: str, separators: str) -> Dotfile | None:
    """The dot file of a domain for an address that is no user's: .qmail-LOCAL, ..., .qmail-default. Temp as `find`."""
    for name, default in candidates(local, separators, plain=False):
        found = _read(directory, name, default)
        if found is not None:
            return found
    return None


def candidates(extension: str, separators: str, plain: bool = True) -> list[tuple[str, str]]:
    """(name, what "default" stands for) of each file to look for, in order."""
    safe = extension.lower().replace(".", ":").replace("/", ":")
    found: list[tuple[str, str]] = []
    if safe:
        found.append((f".qmail-{safe}", ""))
        cuts = [at for at in range(len(safe) - 1, 0, -1) if safe[at - 1] in separators + "-"]
        found += [(f".qmail-{safe[:at]}default", extension[at:]) for at in cuts]
        found.append((".qmail-default", extension))
    if plain:
        found += [(f".forward+{safe}", "")] if safe else []
        found += [(".qmail", ""), (".forward", "")]
    return found


def parse(text: str) -> list[Instruction]:
    """The instructions of a .qmail file. ValueError as dot-qmail(5) has it: the first line may not be blank."""
    lines = [line.rstrip(" \t") for line in text.split("\n")]
    if not lines[0] and len(lines) > 1:
        raise ValueError("the first line is blank")
    found = []
    only_addresses = False
    for line in lines:
        if not line or line.startswith("#"):
            continue
        if line == "+list":
            only_addresses = True
            found.append(Instruction(LIST))
        elif line.startswith("+"):
            continue  # dot-qmail(5): reserved for extensions
        else:
            instruction = _instruction(line)
            if only_addresses and instruction.kind != ADDRESS:
                raise ValueError(f"{line!r} is not an address, and comes after +list")
            found.append(instruction)
    return found


def parse_forward(text: str) -> list[Instruction]:
    r"""The instructions of a .forward file: addresses, \user, "|command", paths; commas or new lines between them."""
    found = []
    for item in _items(text):
        if item.startswith("\\"):
            found.append(Instruction(MAILBOX))
        elif item.startswith(":include:"):
            raise ValueError(":include: is not understood here")
        else:
            found.append(_instruction(item))
    return found


def _instruction(line: str) -> Instruction:
    if line.startswith("|"):
        return Instruction(PROGRAM, line[1:].strip())
    if line[0] in "./":
        return Instruction(MAILDIR if line.endswith("/") else MBOX, line)
    address = line.removeprefix("&").strip().removeprefix("<").removesuffix(">")
    if not address or not address.isprintable() or " " in address:
        raise ValueError(f"{line!r} is not an instruction")
    return Instruction(ADDRESS, address)


def _items(text: str) -> list[str]:
    """The parts of a .forward, without quotes and comments."""
    items = []
    for line in text.split("\n"):
        if line.lstrip().startswith("#"):
            continue
        item, quoted = "", False
        for char in line:
            if char == '"':
                quoted = not quoted
            elif char == "," and not quoted:
                items.append(item.strip())
                item = ""
            else:
                item += char
        if quoted:
            raise ValueError("a quote is not closed")
        items.append(item.strip())
    return [item for item in items if item]


def _read(directory: str, name: str, default: str) -> Dotfile | None:
    path = f"{directory}/{name}"
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Temp("delivery instructions cannot be read", code="4.3.0", detail=f"{path}: {error.strerror}")
    try:
        _refuse_unsafe(directory, fd)
        data = os.read(fd, LARGEST + 1)
        if len(data) > LARGEST:
            raise ValueError(f"larger than {LARGEST} octets")
        if not data:
            return Dotfile(path, default, EMPTY)
        text = data.decode("utf-8", "surrogateescape")
        return Dotfile(path, default, parse_forward(text) if name.startswith(".forward") else parse(text))
    except ValueError as error:
        raise Temp("delivery instructions cannot be understood", code="4.3.5", detail=f"{path}: {error}")
    finally:
        os.close(fd)


def _refuse_unsafe(directory: str, fd: int) -> None:
    """dot-qmail(5): nothing that others may write is obeyed, and a sticky home means that its owner is editing."""
    home, status = os.stat(directory), os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("not a file")
    if status.st_mode & 0o022:
        raise ValueError("others may write it")
    if home.st_mode & 0o022:
        raise ValueError("others may write its directory")
    if home.st_mode & stat.S_ISVTX:
        raise ValueError("its directory is sticky: the owner is editing")
    if status.st_uid not in (home.st_uid, 0):
        raise ValueError("it belongs to somebody else")
