"""A process that makes pieces for a worker (`maildir.mates`): how it is had, and what it does.

The steward forks it as it forks the process of a session (net.steward), so that it is there when it is wanted and no
thread's locks are. It may read mail and nothing else (confine.table), serves one worker, and ends with it, or when it
has had nothing to do for a while.

    worker    length of the order 4, order        mate    "+" when it has begun; length of the answer 4, answer
"""

from __future__ import annotations

import gc
import select
import socket
from struct import Struct

from mailkit import clock, confine
from mailkit.exits import Temp
from mailkit.imap.messages import pieces
from mailkit.maildir import mates
from mailkit.net import errand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.control import Home
    from mailkit.net.conn import Conn

_WITHIN_S = 20.0  # one answer
_LENGTH = Struct("=I")


class Mate:
    """The worker's end."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        end.settimeout(_WITHIN_S)
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

    def answer(self, wait: bool) -> bytes | None:
        """See `mates.Mate`."""
        if not wait and not self._poll.poll(0):
            return None
        return self._octets(_LENGTH.unpack(self._octets(_LENGTH.size))[0])

    def _octets(self, count: int) -> bytes:
        found = bytearray()
        while len(found) < count:
            more = self._end.recv(count - len(found))
            if not more:
                raise ConnectionResetError("it ended")
            found += more
        return bytes(found)

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
    ours, theirs = socket.socketpair()
    nobody = dict.fromkeys(("user", "peer", "local", "tls"), "") | {"peer_port": "0", "local_port": "0"}
    try:
        with theirs:
            errand.send({"errand": "session", "service": "mate", "id": clock.token(3), **nobody}, theirs.fileno())
    except Temp:
        ours.close()
        return None
    return Mate(ours)


async def serve(conn: Conn, home: Home) -> None:
    """Be a mate, in a process of its own."""
    memory_octets = home.control.octets("sessionmemory")
    confine.program("mate", home)
    confine.process.limit(memory_octets)
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
        answer = mates.filled(waiting[_LENGTH.size : end], pieces.build)
        waiting = waiting[end:]
        conn.write(_LENGTH.pack(len(answer)) + answer)
        await conn.flush()
