r"""A text file of `key:rest` lines: found by key at once however long it is, edited so that no line is ever lost.

    # comments, blank lines and lines nobody understands stay where they are
    alice@example.test:{ARGON2ID}$argon2id$...

users/passwd and users/aliases are such files. Keys are compared without regard to ASCII case; of two lines with one
key the first counts.

Looking up. There is an index: a sorted array of (crc32 of the key, offset), 8 octets a line, 0.8 MB for 100,000 lines.
A file of up to 64 KiB is read through with bytes.find at the first look-up of a process and indexed at the second. The
index of a longer one is built by the first process that looks into a new file and kept in `run/FILE.index` for all the
others, where it may be deleted at any time:

    5 words of 8 octets: magic, inode, mtime, size, crc32 of the rest; then the array, in native byte order

Each look-up compares the file's status first, so an edit is seen by the next one; a line that the index points to is
compared with the key. The file is read with pread, not mapped: an editor that truncates it in place must not kill us
with SIGBUS.

Editing. Under flock(2) of `FILE.lock`, which dies with its holder: read, change in memory, write a new file beside
it, fsync, rename, fsync the directory. A crash leaves the old file or the new one, and perhaps a
`FILE.*.tmp` that the next editor removes. Owner and mode stay.
"""

from __future__ import annotations

import os

from mailkit import clock, files, log
from mailkit.exits import Temp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Iterator

_CHUNK = 1 << 20
_SMALL = 64 << 10  # octets up to which a file has no index
_MAGIC = 0x31657962654B6B6D
_HEADER = 5
_SETTLED_S = 2  # a file changed less than this ago may change again without its times telling
_LOCK_WAIT_S = 30.0


class Keyed:
    """Look-ups in one file, whatever becomes of it. Safe to share between threads."""

    __slots__ = ("_cache", "_directory", "_version", "path")

    def __init__(self, path: str, run: str) -> None:
        self.path = path
        self._directory = os.path.dirname(path)
        self._cache = os.path.join(run, os.path.basename(path) + ".index")
        self._version: Version | None = None

    def current(self) -> Version | None:
        """The file as it is now; the same object as long as it has not changed. None when there is no file.

        Temp when it cannot be read.
        """
        version = self._version
        try:
            stat = os.stat(self.path)
            mark = (stat.st_ino, stat.st_mtime_ns, stat.st_size, stat.st_dev)
            if version is None or version.mark != mark:
                # The old version's descriptor is still open here, so its inode number cannot have come back.
                version = self._version = Version(self.path, self._cache)
        except FileNotFoundError:
            # No file yet is a system without aliases; no directory is a home that is not mounted.
            if not os.path.isdir(self._directory):
                raise Temp("user data is not available", detail=f"{self.path}: no such directory")
            version = self._version = None
        except OSError as error:
            raise Temp("user data cannot be read", detail=f"open {self.path}: {error.strerror}")
        return version


class Version:
    """The contents that one state of the file had."""

    __slots__ = ("_cache", "_damaged", "_fd", "_index", "_named", "_path", "asked", "checked", "judged", "made", "mark")

    def __init__(self, path: str, cache: str) -> None:
        self._path = path
        self._cache = cache
        self._fd = -1
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        stat = os.fstat(self._fd)
        self.mark = (stat.st_ino, stat.st_mtime_ns, stat.st_size, stat.st_dev)
        self.asked = False  # for a line
        self._index: array[int] | None = None
        self.checked = False  # its owner looked for damaged lines
        self.made: dict[bytes, object] = {}  # what its owner made of the lines of some keys
        self.judged: dict[str, object] = {}  # what deliver.route found by it
        self._damaged: dict[int, int] = {}  # offset: number of the damaged lines that were asked for
        self._named: set[int] = set()  # numbers of those that were named in the log

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    @property
    def size(self) -> int:
        """Octets in the file."""
        return self.mark[2]

    def lines(self, key: bytes) -> Iterator[tuple[int, bytes]]:
        """Offset and text of each line with this key (lower case), in file order."""
        if self._index is not None:
            return self._indexed(key, self._index)
        if self.size > _SMALL:
            self._index = self._kept_index() or self._new_index()
            return self._indexed(key, self._index)
        if self.asked:
            self._index = self._new_index()
        self.asked = True
        return self._scanned(key)

    def every(self) -> Iterator[tuple[int, bytes]]:
        """Number (from 1) and text of every line that is not blank or a comment."""
        number = 0
        for _, chunk in self._chunks():
            for line in chunk.split(b"\n"):
                number += 1
                if line.strip() and not line.startswith(b"#"):
                    yield number, line.rstrip(b"\r")

    def name_damage(self, word: str, why: ValueError, *, number: int = 0, offset: int = 0) -> int:
        """Tell the log, once, of a damaged line that was found by number or by offset; returns its number."""
        if not number:
            number = self._damaged.get(offset) or self.number(offset)
            self._damaged[offset] = number
        if number not in self._named:
            self._named.add(number)
            log.event(word, file=self._path, line=number, verdict="skipped", error=str(why))
        return number

    def number(self, offset: int) -> int:
        """The line number of an offset, counted from 1; reads the file up to there."""
        before = ((chunk + b"\n")[: offset - at] for at, chunk in self._chunks() if at < offset)
        return 1 + sum(text.count(b"\n") for text in before)

    def holds(self, octet: bytes) -> Iterator[int]:
        """Offsets of the lines that hold an octet."""
        for at, chunk in self._chunks():
            found = chunk.find(octet)
            while found >= 0:
                yield at + chunk.rfind(b"\n", 0, found) + 1
                end = chunk.find(b"\n", found)
                found = chunk.find(octet, end) if end >= 0 else -1

    def line(self, offset: int) -> bytes:
        """The line that starts at an offset."""
        text = self._pread(4096, offset)
        while b"\n" not in text:
            more = self._pread(65536, offset + len(text))
            if not more:
                break
            text += more
        return text.partition(b"\n")[0].rstrip(b"\r")

    def _pread(self, octets: int, offset: int) -> bytes:
        try:
            return os.pread(self._fd, octets, offset)
        except OSError as error:
            raise Temp("user data cannot be read", detail=f"read {self._path}: {error.strerror}")

    def _scanned(self, key: bytes) -> Iterator[tuple[int, bytes]]:
        wanted = b"\n" + key + b":"
        for at, chunk in self._chunks():
            text = b"\n" + chunk.lower()
            found = text.find(wanted)
            while found >= 0:
                yield at + found, self.line(at + found)
                found = text.find(wanted, found + 1)

    def _indexed(self, key: bytes, index: array[int]) -> Iterator[tuple[int, bytes]]:
        from bisect import bisect_left
        from zlib import crc32

        crc = crc32(key)
        i = bisect_left(index, crc << 32)
        while i < len(index) and index[i] >> 32 == crc:
            line = self.line(index[i] & 0xFFFFFFFF)
            if line[: len(key) + 1].lower() == key + b":":
                yield index[i] & 0xFFFFFFFF, line
            i += 1

    def _new_index(self) -> array[int]:
        from array import array
        from zlib import crc32

        entries = []
        for at, chunk in self._chunks():
            offset = at
            for line in chunk.lower().split(b"\n"):
                colon = line.find(b":")
                if colon > 0:
                    entries.append(crc32(line[:colon]) << 32 | offset)
                offset += len(line) + 1
        entries.sort()
        index = array("Q", entries)
        if self.size > _SMALL and clock.now() - self.mark[1] / 1e9 > _SETTLED_S:
            self._keep(index)
        return index

    def _keep(self, index: array[int]) -> None:
        from array import array
        from zlib import crc32

        header = array("Q", [_MAGIC, *self.mark[:3], crc32(index)])
        try:
            files.mkdir(os.path.dirname(self._cache))
            _remove_leftovers(self._cache)  # of another writer too, who then goes without
            files.replace(self._cache, header.tobytes() + index.tobytes(), durable=False)
        except OSError:
            pass  # not ours to write: the next process builds its own, too

    def _kept_index(self) -> array[int] | None:
        """The index of this very file that another process has left, None when there is none."""
        from array import array
        from zlib import crc32

        try:
            with open(self._cache, "rb") as file:
                words = array("Q", file.read())
        except (OSError, ValueError):
            return None
        index = words[_HEADER:]
        # The device is left out: several machines that share the home number it differently.
        return index if words[:_HEADER].tolist() == [_MAGIC, *self.mark[:3], crc32(index)] else None

    def _chunks(self) -> Iterator[tuple[int, bytes]]:
        """The file in pieces of whole lines, each with its offset."""
        start = 0
        rest = b""
        while True:
            read = self._pread(_CHUNK, start + len(rest))
            if not read:
                break
            whole, newline, tail = read.rpartition(b"\n")
            if newline:
                yield start, rest + whole
                start += len(rest) + len(whole) + 1
                rest = tail
            else:
                rest += read
        if rest:
            yield start, rest


_opened: dict[str, Keyed] = {}


def opened(path: str, run: str) -> Keyed:
    """The one Keyed of a path in this process: sessions share its index. `run`: the directory for index files."""
    found = _opened.get(path)
    if found is None:
        found = _opened[path] = Keyed(path, run)
    return found


def forget() -> None:
    """Close every file: nothing of them is to be at hand in a process that serves one user."""
    _opened.clear()


# What is forked closes descriptors that it does not know of (net.errand.keep_only): let it open its own.
os.register_at_fork(after_in_child=forget)


def edit(path: str, change: Callable[[bytes], bytes]) -> bool:
    """Replace the file's contents by `change` of them, under the lock; whatever `change` raises leaves it as it was.

    True when something changed. Temp when the lock is not had in 30 seconds; OSError when the disk refuses.
    """
    files.mkdir(os.path.dirname(path))
    held = os.open(path + ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _give(path + ".lock", os.stat(os.path.dirname(path)))
        if not files.lock(held, _LOCK_WAIT_S):
            raise Temp("somebody else is editing the users", detail=f"lock {path}.lock: held for {_LOCK_WAIT_S:g} s")
        old = _read(path)
        new = change(old or b"")
        if new == old:
            return False
        _remove_leftovers(path)
        _write(path, new)
        return True
    finally:
        os.close(held)


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _write(path: str, data: bytes) -> None:
    """Write-new-and-rename, keeping owner and mode: root's edit must not shut out the mail user."""
    tmp = f"{path}.{clock.token(4)}.tmp"
    fd = files.create(tmp, 0o600)
    try:
        files.write(fd, data)
        try:
            old = os.stat(path)
            os.fchmod(fd, old.st_mode & 0o777)
        except FileNotFoundError:
            old = os.stat(os.path.dirname(path))
        _give(tmp, old)
    except OSError as error:
        os.close(fd)
        files.unlink(tmp)
        error.filename = path  # writing knows of none
        raise
    files.sync_and_appear(fd, tmp, path)
    files.sync_dir(os.path.dirname(path))  # not `publish_now`: that takes the name back where this fails


def _give(path: str, like: os.stat_result) -> None:
    """Make a file root made belong to the owner of what it stands for."""
    if os.geteuid() == 0 and (like.st_uid, like.st_gid) != (0, 0):
        files.chown(path, like.st_uid, like.st_gid)


def _remove_leftovers(path: str) -> None:
    """Remove the temporary files of writers that died. Whoever holds the lock of a file is its only writer."""
    directory, name = os.path.split(path)
    for entry in os.listdir(directory):
        if entry.startswith(name + ".") and entry.endswith(".tmp"):
            files.unlink(os.path.join(directory, entry), missing_ok=True)
