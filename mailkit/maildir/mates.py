"""Other processes that make pieces for this one, so that the first look at a large folder takes all processors.

A message's pieces depend on nothing but its file. Whoever has many to make cuts them into blocks, and does one while
each mate does others: `share`. What a mate is asked for then, and what it answers, in the machine's order:

    order     "P", messages 4  kinds 4, a number of `made` 1 for each kind, uids 4*n, sizes 8*n, then octets with NUL
              between them: the directory, file names
    answer    entries of `journal`: a PART of the pieces, a SIZE of what another size was known of

What an answer lacks (a file that has got another name, or that cannot be read) is left to whoever asked; so is all that
was asked of a mate that died. Answers go into the log as they are. Who starts mates, and what orders there are besides
(each begins with a letter of its own), is not known here: see `Crew`.
"""

from __future__ import annotations

import os
from _thread import allocate_lock
from array import array
from collections import deque
from struct import Struct

from mailkit import clock, log
from mailkit.maildir import ahead, journal
from mailkit.maildir.reading import Reading
from mailkit.maildir.table import KINDS, PIECES_MOST_OCTETS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol, TypeVar

    Build = Callable[[Reading, list[bytes], Sequence[int]], None]
    Block = TypeVar("Block")
    Answer = tuple[int, list[bytes]]  # how many messages it has, and its octets in parts

    class Mate(Protocol):
        """One of them. Everything raises OSError when it is no more."""

        def ready(self) -> bool:
            """It has begun to work; never waits."""

        def ask(self, order: bytes) -> None:
            """One more order; answers come in the same turn."""

        def answer(self, wait: bool) -> Answer | None:
            """The next answer; None when it is not there and nobody wants to wait."""

        def close(self) -> None:
            """Let it go."""


LEAST = 500
"""There must be work on so many messages before mates are started."""
BLOCK = 25
_FEW = 4 * BLOCK
AHEAD = 2
"""So many orders is a mate given before it has answered."""
_MATES_MOST = 3
AGAIN_S = 60.0
"""Mates are started no sooner than this after the last time, whether they were refused, died or had nothing to do."""
PIECES = b"P"
"""How an order for pieces begins."""
_ORDER = Struct("=II")


class Crew:
    """The mates of this process; one thread at a time has them, the others work alone."""

    def __init__(self) -> None:
        self.build: Build | None = None
        self._start: Callable[[], Mate | None] | None = None
        self._mates: list[Mate] = []
        self._taken = allocate_lock()
        self._not_before_s = 0.0

    def offer(self, start: Callable[[], Mate | None], build: Build) -> None:
        """From now on mates are had from `start`, which gives None when there are none; they make what `build` does."""
        self._start, self.build = start, build

    def take(self, messages: int, hire: bool) -> list[Mate]:
        """Mates for work on so many messages, to be given back; none where it is not worth it, or they are busy. hire:
        it is worth starting them."""
        if self._start is None or messages < _FEW or not self._taken.acquire(blocking=False):
            return []
        for mate in list(self._mates):
            try:
                mate.ready()
            except OSError:
                self._drop(mate)
        if hire and not self._mates and clock.monotonic() >= self._not_before_s:
            self._hire()
        if not self._mates:
            self._taken.release()
        return list(self._mates)

    def give_back(self, mates: list[Mate]) -> None:
        """What `take` gave is free for others."""
        if mates:
            self._taken.release()

    def died(self, mate: Mate, error: Exception) -> None:
        """A mate that was taken is of no use any more."""
        log.event("mate", verdict="gone", error=str(error))
        self._drop(mate)

    def _drop(self, mate: Mate) -> None:
        mate.close()
        self._mates.remove(mate)

    def _hire(self) -> None:
        assert self._start is not None
        self._not_before_s = clock.monotonic() + AGAIN_S
        for _ in range(min(len(os.sched_getaffinity(0)) - 1, _MATES_MOST)):
            mate = self._start()
            if mate is None:
                return
            self._mates.append(mate)


crew = Crew()


def share(
    mates: Sequence[Mate],
    blocks: Sequence[Block],
    order: Callable[[Block], bytes],
    own: Callable[[Block], None],
    took: Callable[[Block, bytes], None],
) -> None:
    """Have all blocks done: by `own`, or by a mate, whose answer `took` is given. What `own` raises ends it."""
    left = deque(blocks)
    given: dict[Mate, deque[Block]] = {mate: deque() for mate in mates}
    try:
        while left or any(given.values()):
            for mate in list(given):
                try:
                    _deal(mate, given[mate], left, order, took)
                except (OSError, ValueError) as error:
                    left.extend(given.pop(mate))
                    crew.died(mate, error)
            if left:
                own(left.popleft())
    finally:
        for mate in [mate for mate, blocks in given.items() if blocks]:
            crew.died(mate, RuntimeError("nobody waits for its answers"))  # whoever comes next must not take them


def _deal(
    mate: Mate,
    given: deque[Block],
    left: deque[Block],
    order: Callable[[Block], bytes],
    took: Callable[[Block, bytes], None],
) -> None:
    """Take what a mate has done, and give it more. OSError, ValueError."""
    while given and (answer := mate.answer(wait=not left)) is not None:
        took(given[0], b"".join(answer[1]))
        given.popleft()
    while len(left) > 1 and len(given) < AHEAD and mate.ready():
        given.append(left.pop())
        mate.ask(order(given[-1]))


def packed(
    directory: str, kinds: Sequence[int], uids: Sequence[int], sizes: Sequence[int], names: Sequence[bytes]
) -> bytes:
    """An order: these kinds of pieces of files in a directory. sizes: 0 where not known."""
    columns = bytes(kinds) + array("I", uids).tobytes() + array("Q", sizes).tobytes()
    return PIECES + _ORDER.pack(len(names), len(kinds)) + columns + b"\0".join([os.fsencode(directory), *names])


def filled(order: bytes, build: Build) -> Answer:
    """The answer to an order, without its first octet."""
    messages, kinds_octets = _ORDER.unpack_from(order)
    uids_at = _ORDER.size + kinds_octets
    sizes_at = uids_at + 4 * messages
    names_at = sizes_at + 8 * messages
    kinds = tuple(order[_ORDER.size : uids_at])
    uids, sizes = array("I", order[uids_at:sizes_at]), array("Q", order[sizes_at:names_at])
    directory, *names = order[names_at:].split(b"\0")
    made, sized = [], []
    for place, fd in ahead.named(directory, names):
        if isinstance(fd, OSError):
            continue  # raised, it would lead to itself
        found = [b""] * KINDS
        try:
            with Reading(fd, sizes[place]) as message:
                build(message, found, kinds)
        except OSError:
            continue
        if message.size != sizes[place]:
            sized.append((uids[place], message.size))
        if sum(map(len, found)) <= PIECES_MOST_OCTETS:
            made.append((uids[place], found))
    return len(made), [journal.pieces(made) if made else b"", journal.sized(sized) if sized else b""]
