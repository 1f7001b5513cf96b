"""Sessions that last only while a fact stays true, such as that their user may still be served.

A fact is read from one file. To look is to compare the file's status; only a file that has changed, and has then stayed
as it is from one look to the next, makes us ask whose fact still is one: an editor that writes in place shows half a
file for a moment, and that must throw nobody out.

    Ties        of many sessions, in a process that looks once a second for all of them
    sentinel    of one session, for a process that will not be able to look itself
"""

from __future__ import annotations

import os
import select

from mailkit import log
from mailkit.exits import OK
from mailkit.net import errand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from mailkit.net.conn import Fact

LOOK_S = 1.0
"""From one look to the next, where many sessions share it."""

_ALONE_S = 5.0  # the same where each session has its own: a thousand of them are to be idle
_TORN = b"-"


class Ties:
    """Facts, and what to call once when they are none any more."""

    __slots__ = ("_marks", "_settling", "_tears")

    def __init__(self) -> None:
        self._tears: dict[Fact, Callable[[], None]] = {}
        self._marks: dict[str, tuple[int, ...]] = {}  # the status of each file at the last look
        self._settling: set[str] = set()  # files that had changed then

    def __bool__(self) -> bool:
        return bool(self._tears)

    def tie(self, fact: Fact, tear: Callable[[], None]) -> None:
        """Call `tear` when the fact is none any more; at once when it is none already."""
        if fact.path not in self._marks:
            self._marks[fact.path] = _mark(fact.path)
        if fact():
            self._tears[fact] = tear
        else:
            tear()

    def untie(self, fact: Fact) -> None:
        """It does not matter any more."""
        self._tears.pop(fact, None)

    def look(self) -> bool:
        """Look at the files. True: one has just changed, and wants another look soon."""
        settled = set()
        for path, mark in self._marks.items():
            now = _mark(path)
            if now != mark:
                self._marks[path] = now
                self._settling.add(path)
            elif path in self._settling:
                self._settling.discard(path)
                settled.add(path)
        for fact in [fact for fact in self._tears if fact.path in settled]:
            if not fact():
                self._tears.pop(fact)()
        return bool(self._settling)


def sentinel(fact: Fact) -> int:
    """A descriptor to wait on: readable when the fact is none any more. A process of its own looks, and ends with ours;
    OSError when there can be none."""
    ties = Ties()
    torn: list[bool] = []
    ties.tie(fact, lambda: torn.append(True))  # here, where the file has just been read
    told, telling = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not os.fork():
            _watch(ties, torn, telling)
    except OSError:
        os.close(told)
        raise
    finally:
        os.close(telling)
    return told


def tell(telling: int) -> None:
    """Make the other end of a pipe readable."""
    try:
        os.write(telling, _TORN)
    except OSError:
        pass  # it has just ended


def _watch(ties: Ties, torn: list[bool], telling: int) -> NoReturn:
    """Be the sentinel, until something is torn. Whatever goes wrong in it ends it, and the session goes on without."""
    try:
        import _signal  # type: ignore[import-not-found]

        _signal.signal(_signal.SIGTERM, _signal.SIG_DFL)
        errand.keep_only(telling)
        poll = select.poll()
        poll.register(telling, 0)  # only its error: nobody reads any more
        wait_s = LOOK_S
        while not torn and not poll.poll(1000 * wait_s):
            wait_s = LOOK_S if ties.look() else _ALONE_S
        if torn:
            tell(telling)
    except BaseException as error:
        log.trace("broken", error, program="sentinel")
    finally:
        os._exit(OK)


def _mark(path: str) -> tuple[int, ...]:
    try:
        stat = os.stat(path)
    except OSError:
        return ()
    return stat.st_ino, stat.st_mtime_ns, stat.st_size, stat.st_dev
