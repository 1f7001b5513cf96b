"""A program as inetd would start it, and local delivery by pipe: CPU and time of one process each.

    python3 -m load.spawn greeting COUNT CMD...    a socket as its standard input and output
    python3 -m load.spawn pipe COUNT CMD...        a 4 KiB message on its standard input
    python3 -m load.spawn exit COUNT CMD...        nothing

`greeting`: CPU until the greeting has arrived (/proc/PID/schedstat), and time till then. The others: CPU of the
whole process (wait4) and time till it has ended. A run with a failed process prints how many failed.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time

import measure

_HEAD = (
    b"From: <load@bench.example>\nTo: <bench@example.test>\nSubject: pipe\n"
    b"Date: Mon, 05 Jan 2026 10:00:00 +0000\nMessage-ID: <pipe@bench.example>\n\n"
)
_LINE = b"0123456789 abcdefghijklmnopqrstuvwxyz 0123456789 ABCDEFGHIJKLMNOPQRST\n"


def greeting(command: list[str]) -> tuple[float, float, bool]:
    """CPU seconds and wall seconds to the greeting; did it come?"""
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    server, _ = listener.accept()
    listener.close()
    started = time.perf_counter()
    process = subprocess.Popen(command, stdin=server, stdout=server, stderr=subprocess.DEVNULL)
    server.close()
    line = client.recv(4096)
    wall_s = time.perf_counter() - started
    with open(f"/proc/{process.pid}/schedstat") as file:
        cpu_s = int(file.read().split()[0]) / 1e9
    client.close()
    process.wait()
    return cpu_s, wall_s, line[:1] in (b"2", b"*", b"+")


def ended(command: list[str], stdin: int) -> tuple[float, float, bool]:
    """CPU seconds and wall seconds of the whole process; did it succeed?"""
    os.lseek(stdin, 0, os.SEEK_SET)
    started = time.perf_counter()
    process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime, time.perf_counter() - started, process.returncode == 0


def main() -> None:
    how, count, command = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    with tempfile.TemporaryFile() as message:
        if how == "pipe":
            message.write(_HEAD + _LINE * ((4096 - len(_HEAD)) // len(_LINE)))
            message.flush()
        # Two more than asked for: the first ones fill caches.
        results = [
            greeting(command) if how == "greeting" else ended(command, message.fileno()) for _ in range(count + 2)
        ]
    cpu_s, wall_s, well = zip(*results[2:], strict=True)
    cpu_ms = measure.ms(measure.percentile(list(cpu_s), 50))
    measure.emit(cpu_ms=cpu_ms, failed=well.count(False), **measure.latency(list(wall_s)))


if __name__ == "__main__":
    main()
