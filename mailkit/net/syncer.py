"""A process that does nothing but syncfs(2), for the event loops of one program.

A thread could do it, but each of its steps would take the interpreter's lock from the loop and give it back: with a
few hundred messages a second that costs as much as a session does (7 futex calls a message). One process serves all
workers: whoever asks while a sync runs shares the next one.

    request     how many wait: 4 octets; number: 8 octets; st_dev of each file system that is meant: 8 octets; with it a
                descriptor on each of these that was not named on this line before
    answer      number; when the sync began, clock.monotonic as a double, 0 when it was not done

What was written to these file systems before that moment is on disk. All messages are packets in big-endian order.

syncfs waits for what other programs have written as well, so it is not done while much is waiting there. Since Linux
5.8 it reports write errors as fsync does, once; therefore the round after one that failed fails too, because its files
may have been written before that error was told. Whoever gets no sync uses fsync, which says whose error it is.
"""

from __future__ import annotations

import ctypes
import gc
import itertools
import os
import select
import signal
import socket
import struct

from mailkit import clock
from mailkit.confine import process

_REQUEST = struct.Struct(">IQ")
_DEVICE = struct.Struct(">Q")
_ANSWER = struct.Struct(">Qd")
_DEVICES_MOST = 16
_GATHER_S = 0.001  # the longest wait for as many as shared the sync before: they come again at about the same time
_LOOK_S = 0.05  # how long what is known of the machine's unwritten octets holds
_DIRTY_MOST_KIB = 64 * 1024


class End:
    """A loop's end of the conversation: one request at a time."""

    def __init__(self, end: socket.socket, server: int = 0) -> None:
        self._end = end
        self._server = server  # the process at the other end
        self._number = os.getpid() << 32  # a predecessor that died may have left a question
        self._told: set[int] = set()  # st_dev of those the process has a descriptor on

    def fileno(self) -> int:
        """Readable when there is an answer."""
        return self._end.fileno()

    def ask(self, waiting: int, devices: dict[int, int]) -> bool:
        """Ask for a sync of file systems, by st_dev with a descriptor on each. False when there is nobody to ask."""
        if len(devices) > _DEVICES_MOST:
            return False
        self._number += 1
        request = _REQUEST.pack(waiting, self._number) + b"".join(map(_DEVICE.pack, devices))
        new = [fd for device, fd in devices.items() if device not in self._told]
        try:
            if new:
                socket.send_fds(self._end, [request], new)
            else:
                self._end.send(request)
        except OSError:
            return False
        self._told.update(devices)
        return True

    def answer(self) -> float | None:
        """When the sync began, 0 when it was not done; None when the answer is not ours. EOFError: nobody is there."""
        try:
            data = self._end.recv(_ANSWER.size)
        except OSError:
            data = b""
        if len(data) != _ANSWER.size:
            self._bury()
            raise EOFError
        number, began = _ANSWER.unpack(data)
        return float(began) if number == self._number else None

    def _bury(self) -> None:
        """Leave no zombie. It is not started again: that is for a process without threads, before it is confined."""
        try:
            if self._server and not os.waitpid(self._server, os.WNOHANG)[0]:
                os.kill(self._server, signal.SIGKILL)  # it has closed its end, and is about to be gone
                os.waitpid(self._server, 0)
        except ChildProcessError:
            pass  # a worker's parent does it

    def close(self) -> None:
        """End the conversation."""
        self._end.close()


def start(count: int = 1) -> list[End | None]:
    """Fork the process; an end for each of `count` loops, which may be handed to a worker forked later. It ends when
    all ends are closed. None for each where there is no syncfs to rely on. Call it while there are no threads."""
    syncfs = _syncfs()
    if syncfs is None:
        return [None] * count
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(count)]
    server = os.fork()
    if not server:
        _become(syncfs, [theirs for _, theirs in pairs])
    for _, theirs in pairs:
        theirs.close()
    return [End(ours, server) for ours, _ in pairs]


def _syncfs() -> ctypes._NamedFuncPointer | None:
    """The function of the C library; None where it is missing or the kernel keeps write errors from it."""
    if tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2]) < (5, 8):
        return None
    try:
        return ctypes.CDLL(None).syncfs
    except (OSError, AttributeError):
        return None


def _become(syncfs: ctypes._NamedFuncPointer, ends: list[socket.socket]) -> None:
    """In the forked process: serve, and never return."""
    status = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # it ends when those it serves have ended
        gc.disable()  # it would touch memory that is shared with the workers
        kept = sorted((2, *(end.fileno() for end in ends), os.sysconf("SC_OPEN_MAX")))
        for below, above in itertools.pairwise(kept):
            os.closerange(below + 1, above)
        process.keep_secrets()
        process.no_new_privileges()
        process.drop_capabilities()
        _Server(syncfs, ends).run()
        status = 0
    finally:
        os._exit(status)


class _Server:
    """The loop of the process. _asked: who waits for the next sync, with the number of the request."""

    def __init__(self, syncfs: ctypes._NamedFuncPointer, ends: list[socket.socket]) -> None:
        self._syncfs = syncfs
        self._ends = {end.fileno(): end for end in ends}
        self._poll = select.poll()
        for end in ends:
            self._poll.register(end, select.POLLIN)
        self._asked: list[tuple[socket.socket, int]] = []
        self._known: dict[int, int] = {}  # st_dev -> a descriptor there, as long as this process lives
        self._devices: set[int] = set()  # st_dev of those that are asked for
        self._waiting = 0
        self._shared = 0  # how many waited for the sync before
        self._failed = False
        self._looked = 0.0
        self._busy = False

    def run(self) -> None:
        """Until all ends are closed."""
        while self._ends:
            self._take(None)
            if not self._asked:
                continue
            until = clock.monotonic() + _GATHER_S
            while self._waiting < self._shared and self._take(until - clock.monotonic()):
                pass
            self._shared = self._waiting
            self._answer(self._synced())

    def _take(self, within_s: float | None) -> bool:
        """Take the requests that are there, or the first to come within so long; False when none came."""
        found = self._poll.poll(None if within_s is None else max(0.0, 1000 * within_s))
        for fd, _ in found:
            end = self._ends[fd]
            data, fds, _, _ = socket.recv_fds(end, _REQUEST.size + _DEVICES_MOST * _DEVICE.size, _DEVICES_MOST)
            for new in fds:
                if self._known.setdefault(os.fstat(new).st_dev, new) != new:
                    os.close(new)
            if data:
                waiting, number = _REQUEST.unpack_from(data)
                self._devices.update(device for device, in _DEVICE.iter_unpack(data[_REQUEST.size :]))
                self._waiting += waiting
                self._asked.append((end, number))
            else:
                self._poll.unregister(end)
                del self._ends[fd]
        return bool(found)

    def _synced(self) -> float:
        """Sync what is asked for; when it began, 0 when nobody can rely on it."""
        began = clock.monotonic()
        if self._is_busy(began):
            return 0.0
        failed = any(list(map(self._sync, self._devices)))  # all of them, whatever comes
        relied = not (failed or self._failed)
        self._failed = failed
        return began if relied else 0.0

    def _sync(self, device: int) -> int:
        return self._syncfs(self._known[device]) if device in self._known else 1

    def _is_busy(self, now: float) -> bool:
        """Has the machine so much to write that waiting for it would take long?"""
        if now - self._looked >= _LOOK_S:
            self._looked = now
            self._busy = dirty_kib() > _DIRTY_MOST_KIB
        return self._busy

    def _answer(self, began: float) -> None:
        for end, number in self._asked:
            try:
                end.send(_ANSWER.pack(number, began))
            except OSError:
                pass  # it died meanwhile
        self._asked, self._devices, self._waiting = [], set(), 0


def dirty_kib() -> int:
    """How much the whole machine has yet to write; more than anybody likes where that cannot be known (a sandbox
    with its own /proc)."""
    try:
        with open("/proc/meminfo", "rb") as file:
            text = file.read()
    except OSError:
        return _DIRTY_MOST_KIB + 1
    found = [text.find(name) for name in (b"Dirty:", b"Writeback:")]
    return sum(int(text[at : at + 30].split()[1]) for at in found if at >= 0)
