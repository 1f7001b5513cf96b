"""Message files as FETCH sends them: BODY, PREVIEW, BODY[...], BINARY[...], BINARY.SIZE[...] (RFC 9051 section 6.4.5).

`Message` is one file, read when something of it is first wanted. `rendered` makes the octets of one item. A whole
message larger than STREAM_OCTETS is never in memory: it is sent piece by piece, in two passes, for the literal's size
must be right to the octet and no file name is believed about it. A part of such a message is sent piece by piece out of
the one copy in memory that finding it takes.
"""

from __future__ import annotations

import os

from mailkit import log
from mailkit.imap.messages import preview
from mailkit.imap.responses import No, string
from mailkit.mail import content, mime, section, structure
from mailkit.maildir import ahead

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mailkit.imap.wire.items import Item
    from mailkit.mail.mime import Part
    from mailkit.maildir.folder import Folder
    from mailkit.maildir.table import Table

STREAM_OCTETS = 1 << 20
CHUNK_OCTETS = 1 << 18
_FIRST_OCTETS = 1 << 16
REPEATED_MOST = 8
"""How many times its size a response may hold of a message: line ends double at most, parts lie in one another."""


class Message:
    """The octets of one message and its tree of parts, each made when wanted. `close` it."""

    __slots__ = ("_data", "_fd", "_root", "size_octets")

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._root: Part | None = None
        try:
            # Most messages are read by this one call; no size has to be asked for then.
            data = os.pread(fd, _FIRST_OCTETS, 0)
            self._data = data if len(data) < _FIRST_OCTETS else None
            self.size_octets = len(data) if self._data is not None else os.fstat(fd).st_size  # as in the file
        except OSError:
            os.close(fd)
            raise

    @property
    def data(self) -> bytes:
        if self._data is None:
            data = os.pread(self._fd, self.size_octets + 1, 0)
            self._data = data if len(data) == self.size_octets else b"".join(chunks(self._fd, self.size_octets + 1))
        return self._data

    @property
    def root(self) -> Part:
        if self._root is None:
            self._root = mime.scan(self.data)
        return self._root

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)

    def streams(self, items: list[Item]) -> bool:
        """Too large for its answer to be made at once."""
        return self.size_octets > STREAM_OCTETS and any(streamed(item) for item in items)

    def wire_size(self, item: Item) -> int | None:
        """Octets of a streamed item, by going through it; None when there is no such section."""
        if not whole(item) and section.span(self.root, item.path, item.what) is None:
            return None
        return sum(map(len, self.wire_chunks(item)))

    def wire_chunks(self, item: Item) -> Iterator[bytes]:
        """A streamed item with CRLF line ends, in pieces."""
        if whole(item):
            return self._file_chunks()
        found = section.span(self.root, item.path, item.what)
        return mime.windows(self.data, *found) if found else iter(())

    def _file_chunks(self) -> Iterator[bytes]:
        carried = b""
        for chunk in chunks(self._fd, CHUNK_OCTETS):
            chunk = carried + chunk
            carried = b"\r" if chunk.endswith(b"\r") else b""
            yield mime.crlf(chunk[:-1] if carried else chunk)
        yield carried


class opened:
    """`with opened(folder, uid) as message`: None when the file is gone or cannot be opened."""

    __slots__ = ("_folder", "_message", "_uid")

    def __init__(self, folder: Folder, uid: int) -> None:
        self._folder = folder
        self._uid = uid
        self._message: Message | None = None

    def __enter__(self) -> Message | None:
        try:
            self._message = Message(self._folder.open_file(self._uid))
        except FileNotFoundError:
            return None
        except OSError as error:
            unreadable(self._uid, error)
        return self._message

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if self._message is not None:
            self._message.close()


def each(folder: Folder, table: Table, rows: Sequence[int]) -> Iterator[tuple[int, Message | None]]:
    """Each row with its message, which is closed when the next is asked for; None when the file is gone or cannot be
    opened."""
    for row, found in messages(ahead.opened(folder, table, rows)):
        if isinstance(found, OSError):
            if not isinstance(found, FileNotFoundError):
                unreadable(table.uids[row], found)
            yield row, None
        else:
            yield row, found


def messages(files: Iterable[tuple[int, int | OSError]]) -> Iterator[tuple[int, Message | OSError]]:
    """The same of files that are open already, with why there is none."""
    for key, fd in files:
        if isinstance(fd, OSError):
            yield key, fd
            continue
        try:
            message = Message(fd)
        except OSError as error:
            yield key, error.with_traceback(None)
            continue
        try:
            yield key, message
        finally:
            message.close()


def unreadable(uid: int, error: OSError) -> None:
    """Say so in the log; the session goes on without that message."""
    log.event("message", verdict="unreadable", uid=uid, file=error.filename, error=error.strerror)


def chunks(fd: int, size: int) -> Iterator[bytes]:
    """What is in a file from its start, `size` octets at a time."""
    at = 0
    while data := os.pread(fd, size, at):
        at += len(data)
        yield data


def whole(item: Item) -> bool:
    """The item is the message as it is."""
    return item.name == "BODY[]" and not item.path and not item.what and item.partial is None


def streamed(item: Item) -> bool:
    """The item may be large, and can be sent in pieces: the message, the body of a part or of a message inside."""
    return item.name == "BODY[]" and item.partial is None and item.what in ("", "TEXT")


def response(start: bytes, message: Message, items: list[Item]) -> list[bytes]:
    """One response with these items, in parts. start: it up to them. OSError, No."""
    if len(items) == 1 and whole(items[0]):
        octets = mime.crlf(message.data)
        return [b"%b%b {%d}\r\n" % (start, items[0].label, len(octets)), octets, b")\r\n"]
    parts = all_rendered(message, items)
    parts[0] = start + parts[0][1:]
    parts.append(b")\r\n")
    return parts


def all_rendered(message: Message, items: list[Item]) -> list[bytes]:
    """` label value` of every item, in parts. No [LIMIT] when they name the same octets over and over: answers wait in
    memory."""
    if len(items) == 1:
        return [*rendered(message, items[0])]
    room = REPEATED_MOST * message.size_octets + CHUNK_OCTETS
    found: list[bytes] = []
    for item in items:
        parts = rendered(message, item)
        found += parts
        room -= sum(map(len, parts))
        if room < 0:
            raise No("One FETCH asks for the same message too many times", "LIMIT")
    return found


def rendered(message: Message, item: Item) -> tuple[bytes, ...]:
    """` label value` of one item, in parts. No [UNKNOWN-CTE]: BINARY of an encoding nobody knows (RFC 3516 section
    4.3)."""
    if item.name == "BODY":
        return b" BODY ", structure.body(message.root)
    if item.name == "PREVIEW":
        return b" PREVIEW ", string(preview.preview(message.data, message.root).encode("utf-8", "replace"))
    if item.name == "BINARY.SIZE":
        octets = binary(message, item)
        return (b" %s %d" % (item.label, len(octets or b"")),)
    if item.name == "BINARY[]":
        octets = binary(message, item)
        if octets is not None:
            octets = cut(octets, item)
            mark = b"~" if b"\0" in octets else b""
            return b" %b %b{%d}\r\n" % (item.label, mark, len(octets)), octets
    else:
        octets = body(message, item)
    if octets is None:
        return (b" " + item.label + b" NIL",)
    return b" %b {%d}\r\n" % (item.label, len(octets)), octets


def body(message: Message, item: Item) -> bytes | None:
    """The octets of BODY[...], None where there is no such section."""
    if whole(item):
        return mime.crlf(message.data)
    if item.partial is not None and not item.fields:
        found = section.span(message.root, item.path, item.what) if item.path or item.what else (0, len(message.data))
        return None if found is None else mime.partial(message.data, *found, *item.partial)
    octets = section.fetch(message.data, message.root, item.path, item.what, item.fields)
    return None if octets is None else cut(octets, item)


def binary(message: Message, item: Item) -> bytes | None:
    """The part with its transfer encoding undone; of no path the whole message."""
    if not item.path:
        return mime.crlf(message.data)
    part = section.find(message.root, item.path)
    if part is None:
        return None
    if not content.known(part):
        raise No("The transfer encoding of that part is unknown", "UNKNOWN-CTE")
    return content.decoded(message.data, part)


def cut(octets: bytes, item: Item) -> bytes:
    """The part of it that `<origin.octets>` asks for."""
    if item.partial is None:
        return octets
    origin, count = item.partial
    return octets[origin : origin + count]
