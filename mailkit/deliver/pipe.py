"""Programs that get a message on standard input.

A program runs with /bin/sh, in its user's home, with an environment of its own, without any descriptor of ours but
standard input, output and error, in its own session, and not longer than its time: then the whole group is killed.
What it prints is kept up to a limit, for the log and for the sender; the rest is read and thrown away.
"""

from __future__ import annotations

import os
import select
import signal
import sys

from mailkit import clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from subprocess import Popen

KEPT_OCTETS = 4096
TIMED_OUT = -1
_PATH = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin")


class Result:
    """status: the exit status, 128 + n when signal n killed it, TIMED_OUT. output: what it printed, as text."""

    __slots__ = ("output", "status")

    def __init__(self, status: int, output: str) -> None:
        self.status = status
        self.output = output


def run(command: str, chunks: Iterable[bytes], environment: dict[str, str], directory: str, limit_s: float) -> Result:
    """Run `command` with the octets of `chunks` as its input; blocking. OSError when it cannot be started."""
    return run_words(["/bin/sh", "-c", command], chunks, {"SHELL": "/bin/sh", **environment}, directory, limit_s)


def _search_path() -> str:
    """PATH: last the directory of this interpreter, where mailkit-sendmail is in a virtual environment."""
    ours = os.path.dirname(sys.executable)
    return ":".join(_PATH if not ours or ours in _PATH else (*_PATH, ours))


def run_words(
    words: list[str], chunks: Iterable[bytes], environment: dict[str, str], directory: str, limit_s: float
) -> Result:
    """`run` for a program and its arguments, without a shell."""
    import subprocess

    until = clock.monotonic() + limit_s
    process = subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=directory,
        env={"PATH": _search_path(), **environment},
        close_fds=True,
        start_new_session=True,
        bufsize=0,
    )
    ended = False
    _running.add(process.pid)
    try:
        talk = _Talk(process)
        ended = talk.run(chunks, until)
        return Result(_status(process.wait()) if ended else TIMED_OUT, talk.output.decode("utf-8", "replace"))
    finally:
        for end in (process.stdin, process.stdout):
            assert end is not None
            end.close()
        if not ended:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        _running.discard(process.pid)


_running: set[int] = set()  # processes of all threads; each leads a group


def stop() -> None:
    """Kill every program that runs, so that whoever waits for one need not: their messages are tried again."""
    for pid in list(_running):
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _status(returncode: int) -> int:
    return returncode if returncode >= 0 else 128 - returncode


class _Talk:
    """Feeding a process and reading what it prints, until it ends."""

    __slots__ = ("_left", "_pid", "_poll", "_stdin", "_stdout", "output")

    def __init__(self, process: Popen[bytes]) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._stdin = process.stdin
        self._stdout = process.stdout.fileno()
        self._left = memoryview(b"")
        self.output = bytearray()
        os.set_blocking(self._stdin.fileno(), False)
        os.set_blocking(self._stdout, False)
        self._pid = os.pidfd_open(process.pid)
        self._poll = select.poll()
        self._poll.register(self._pid, select.POLLIN)
        self._poll.register(self._stdin, select.POLLOUT)
        self._poll.register(self._stdout, select.POLLIN)

    def run(self, chunks: Iterable[bytes], until: float) -> bool:
        """True when the process ended in time."""
        source = iter(chunks)
        feeding = self._stdin.fileno()
        try:
            while ready := dict(self._poll.poll(max(until - clock.monotonic(), 0) * 1000)):
                if self._stdout in ready and not self._read():
                    self._poll.unregister(self._stdout)
                if self._pid in ready:
                    self._read()
                    return True
                if feeding in ready and not self._feed(source):
                    self._poll.unregister(feeding)
                    self._stdin.close()
            return False
        finally:
            os.close(self._pid)

    def _feed(self, source: Iterator[bytes]) -> bool:
        """Write some of the message; False when all is written, or nobody wants the rest."""
        try:
            if not self._left:
                self._left = memoryview(next(source, b""))
                if not self._left:
                    return False
            self._left = self._left[os.write(self._stdin.fileno(), self._left) :]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            return False
        return True

    def _read(self) -> bool:
        """Take what was printed; False at its end."""
        try:
            while data := os.read(self._stdout, 65536):
                self.output += data[: KEPT_OCTETS - len(self.output)]
        except BlockingIOError:
            return True
        return False
