"""A process that makes pieces and responses for a worker (`maildir.mates`): how it is had, and what it does.

The steward forks it as it forks the process of a session (net.steward), so that it is there when it is wanted and no
thread's locks are. It may read mail and nothing else (confine.table), serves one worker, and ends with it, or when it
has had nothing to do for a while.

    worker    length of the order 4, order
    mate      "+" when it has begun; messages in the answer 4, its length 4, answer
"""

from __future__ import annotations

import gc
import select
import socket
from struct import Struct

from mailkit import clock, confine
from mailkit.exits import Temp
from mailkit.imap.messages import orders, pieces
from mailkit.maildir import heap, mates
from mailkit.net import errand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailkit.control import Home
    from mailkit.maildir.mates import Answer
    from mailkit.net.conn import Conn

_WITHIN_S = 20  # one answer
_BUFFERED_OCTETS = 1 << 19  # of answers that nobody has taken yet: it goes on with the next meanwhile
_LENGTH = Struct("=I")
_ANSWER = Struct("=II")
_CHUNK_OCTETS = 1 << 16  # below what malloc(3) has new pages for each time
_KEPT_OCTETS = 2 << 20
_TIMEVAL = Struct("@ll")


class Mate:
    """The worker's end."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        # Time limits of the kernel: with those of `socket`, MSG_WAITALL would not wait.
        for limit in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            end.setsockopt(socket.SOL_SOCKET, limit, _TIMEVAL.pack(_WITHIN_S, 0))
        self._poll = select.poll()
        self._poll.register(end, select.POLLIN)
        self._begun = False

    def ready(self) -> bool:
        """See `mates.Mate`."""
        if not self._begun and self._poll.poll(0):
            self._begun = bool(self._octets(1))
        elif self._begun and self._poll.poll(0) and not self._end.recv(1, socket.MSG_PEEK):
            raise ConnectionResetError("it ended")
        return self._begun

    def ask(self, order: bytes) -> None:
        """See `mates.Mate`."""
        self._end.sendall(_LENGTH.pack(len(order)) + order)

    def answer(self, wait: bool) -> Answer | None:
        """See `mates.Mate`."""
        if not wait and not self._poll.poll(0):
            return None
        messages, length = _ANSWER.unpack(self._octets(_ANSWER.size))
        return messages, list(self._chunks(length))

    def _octets(self, count: int) -> bytes:
        return b"".join(self._chunks(count))

    def _chunks(self, count: int) -> Iterator[bytes]:
        """So many octets."""
        while count:
            found = self._end.recv(min(count, _CHUNK_OCTETS), socket.MSG_WAITALL)
            if not found:
                raise ConnectionResetError("it ended")
            count -= len(found)
            yield found

    def close(self) -> None:
        """See `mates.Mate`."""
        self._end.close()


def offer() -> None:
    """Workers of this program may have mates."""
    mates.crew.offer(start, pieces.build)


def start() -> Mate | None:
    """Have the steward fork one, which takes some milliseconds; None where there is no steward."""
    if errand.line < 0:
        return None
    heap.keep(_KEPT_OCTETS)
    ours, theirs = socket.socketpair()
    nobody = dict.fromkeys(("user", "peer", "local", "tls"), "") | {"peer_port": "0", "local_port": "0"}
    try:
        with theirs:
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFERED_OCTETS)
            errand.send({"errand": "session", "service": "mate", "id": clock.token(3), **nobody}, theirs.fileno())
    except Temp:
        ours.close()
        return None
    return Mate(ours)


_WORK = {mates.PIECES: lambda order: mates.filled(order, pieces.build), orders.RESPONSES: orders.made}


async def serve(conn: Conn, home: Home) -> None:
    """Be a mate, in a process of its own."""
    memory_octets = home.control.octets("sessionmemory")
    confine.program("mate", home)
    confine.process.limit(memory_octets)
    heap.keep(_KEPT_OCTETS)
    gc.disable()  # it would touch memory that is shared with the workers
    conn.idle_s = mates.AGAIN_S
    waiting = b""
    while True:
        while len(waiting) < _LENGTH.size or len(waiting) < _LENGTH.size + _LENGTH.unpack_from(waiting)[0]:
            data = await conn.more()
            if not data:
                return
            waiting += data
        end = _LENGTH.size + _LENGTH.unpack_from(waiting)[0]
        order, waiting = waiting[_LENGTH.size : end], waiting[end:]
        await _say(conn, *_WORK[order[:1]](order[1:]))


async def _say(conn: Conn, messages: int, octets: list[bytes]) -> None:
    """An answer, some pieces at a time: all of it joined would be had from the system anew each time."""
    conn.write(_ANSWER.pack(messages, sum(map(len, octets))))
    queued = 0
    for piece in octets:
        conn.write(piece)
        queued += len(piece)
        if queued >= _CHUNK_OCTETS:
            await conn.flush()
            queued = 0
    await conn.flush()
