"""Where log lines come from, read in pieces: a log may be larger than memory, and is read more than once.

What cannot be read twice (standard input, the journal) is first copied to a file without a name.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from typing import IO

from mailkit.exits import Temp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

_CHUNK = 4 << 20
_FEW = 12  # needles up to which bytes.find is faster than looking at every id
_IDS = re.compile(rb" [cq]=([0-9a-zA-Z]+)")


class Source:
    """Log files that can be read again and again, in the order in which they were written."""

    def __init__(self, files: list[IO[bytes]]) -> None:
        self._files = files

    def __enter__(self) -> Source:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for file in self._files:
            file.close()

    def holding(self, needle: bytes) -> Iterator[bytes]:
        """Every line that holds `needle`, in either case of ASCII letters."""
        needle = needle.lower()
        for chunk in self._chunks():
            yield from _lines_at(chunk, _found(chunk.lower(), needle))

    def about(self, ids: set[bytes]) -> Iterator[bytes]:
        """Every line whose c= or q= is one of `ids`."""
        for chunk in self._chunks():
            yield from _lines_at(chunk, _few(chunk, ids) if len(ids) <= _FEW else _many(chunk, ids))

    def _chunks(self) -> Iterator[bytes]:
        """The files in pieces of whole lines."""
        for file in self._files:
            file.seek(0)
            rest = b""
            while piece := file.read(_CHUNK):
                whole, newline, tail = piece.rpartition(b"\n")
                if newline:
                    yield rest + whole + b"\n"
                    rest = tail
                else:
                    rest += piece
            if rest:
                yield rest


def _found(chunk: bytes, needle: bytes) -> Iterator[int]:
    at = chunk.find(needle)
    while at >= 0:
        yield at
        at = chunk.find(needle, at + 1)


def _few(chunk: bytes, ids: set[bytes]) -> list[int]:
    needles = [name + id for id in ids for name in (b" c=", b" q=")]
    return sorted(
        at
        for needle in needles
        for at in _found(chunk, needle)
        if not chunk[at + len(needle) : at + len(needle) + 1].isalnum()
    )


def _many(chunk: bytes, ids: set[bytes]) -> Iterator[int]:
    return (match.start() for match in _IDS.finditer(chunk) if match[1] in ids)


def _lines_at(chunk: bytes, offsets: Iterable[int]) -> Iterator[bytes]:
    """The lines in which these rising offsets are, each once."""
    done = 0
    for offset in offsets:
        if offset < done:
            continue
        end = chunk.find(b"\n", offset)
        end = len(chunk) if end < 0 else end
        yield chunk[chunk.rfind(b"\n", 0, offset) + 1 : end]
        done = end


def opened(paths: list[str]) -> Source:
    """The log in these files, in this order; ".gz" is unpacked, "-" is standard input. OSError."""
    return Source([_opened(path) for path in paths])


def _opened(path: str) -> IO[bytes]:
    if path == "-":
        return _copied(os.fdopen(os.dup(0), "rb"))
    if path.endswith(".gz"):
        import gzip

        return gzip.open(path)  # type: ignore[return-value]  # it has all of IO that is used here
    return open(path, "rb")


def journal() -> Source:
    """What the journal has of our units. Temp when journalctl fails."""
    command = ["journalctl", "--no-pager", "--quiet", "--output=short-iso-precise", "--unit=mailkit*"]
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            copy = _copied(process.stdout)
    except OSError as error:
        raise Temp("the journal cannot be read", detail=f"journalctl: {error.strerror}")
    if process.returncode:
        copy.close()
        raise Temp("the journal cannot be read", detail=f"journalctl: exit status {process.returncode}")
    return Source([copy])


def _copied(stream: IO[bytes]) -> IO[bytes]:
    copy = tempfile.TemporaryFile()
    with stream:
        shutil.copyfileobj(stream, copy, _CHUNK)
    return copy
