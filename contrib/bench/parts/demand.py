"""Servers that start when somebody comes, as from systemd's sockets (Accept=no): the first greeting, what all of them
weigh when nobody is there any more, and how long mailkit-check takes without the network."""

from __future__ import annotations

import contextlib
import pathlib
import signal
import socket
import subprocess
import sys
import time

import bench
import measure
import servers
import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICES = {"smtpd": ("mx", "submission"), "imapd": ("imap",), "pop3d": ("pop3",)}
_SETTLED_S = 2.0  # the workers are all there, and have nothing left to do


def run(context: bench.Context) -> list[table.Table]:
    """Each service cold and warm; then all of them."""
    result = table.Table("Started on demand", "mailkit", "-", "Cold: no process of it runs; the disk's cache is warm.")
    with servers.ours(context.work) as ours:  # for its home; its own servers only stand by
        home = ours.mail.parent
    for name in SERVICES:
        colds, cpus, warms = [], [], []
        for _ in range(2 * context.repeat):
            measure.wait_quiet(context.quiet_s)
            with waiting(home, name) as (root, port):
                before = measure.cpu_s(root)
                colds.append(greeting_ms(port))
                cpus.append(1000 * (measure.cpu_s(root) - before))
                warms += [greeting_ms(port) for _ in range(5)]
        result.add(f"mailkit-{name}, first greeting, cold", "ms", colds, [], "250")
        result.add(f"mailkit-{name}, CPU of that", "ms", cpus, [])
        result.add(f"mailkit-{name}, first greeting, warm", "ms", warms, [], "20")
    weights, processes = weigh(context, home)
    result.add("all services, activated and idle: PSS", "MiB", weights, [], "120")
    result.add("their processes", "", processes, [])
    result.add("mailkit-check --no-network", "s", [checking_s(home) for _ in range(context.repeat)], [], "5")
    return [result]


@contextlib.contextmanager
def waiting(home: pathlib.Path, name: str) -> Iterator[tuple[int, int]]:
    """A server that nobody has come to yet: the pid above it, and the port of its first socket."""
    words = [sys.executable, str(servers.HERE / "subreap.py")]
    port = 0
    if name == "runq":
        words += [*servers.program(name), "--home", str(home)]
    else:
        ports = [free_port() for _ in SERVICES[name]]
        port = ports[0]
        words.append(servers.need("systemd-socket-activate"))
        words += [f"--listen=127.0.0.1:{one}" for one in ports]
        words += [f"--fdname={':'.join(SERVICES[name])}", "-E", "PYTHONPATH", "-E", "PATH"]
        words += [*servers.program(name), "--home", str(home)]
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=servers.environment(), start_new_session=True
    )
    try:
        if port:
            await_listening(port)
        yield process.pid, port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def await_listening(port: int) -> None:
    """Until somebody listens; a connection would start the server."""
    until = time.monotonic() + 20
    wanted = f":{port:04X} "
    while True:
        with open("/proc/net/tcp") as file:
            if any(wanted in line and line.split()[3] == "0A" for line in file):
                return
        if time.monotonic() > until:
            raise RuntimeError(f"nobody listens on port {port}")
        time.sleep(0.01)


def greeting_ms(port: int) -> float:
    """From the connection to the first line."""
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as end:
        if not end.recv(1000):
            raise RuntimeError("the server hung up")
        return 1000 * (time.monotonic() - begun)


def free_port() -> int:
    """A port on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def weigh(context: bench.Context, home: pathlib.Path) -> tuple[list[float], list[float]]:
    """MiB of all services together after each had a connection, and how many processes that is."""
    weights, counts = [], []
    for _ in range(context.repeat):
        with contextlib.ExitStack() as stack:
            roots = []
            for name in (*SERVICES, "runq"):
                root, port = stack.enter_context(waiting(home, name))
                roots.append(root)
                if port:
                    greeting_ms(port)
            time.sleep(_SETTLED_S)
            found = [measure.memory(root) for root in roots]
            weights.append(sum(one["pss_kib"] for one in found) / 1024)
            counts.append(float(sum(one["processes"] for one in found)))
    return weights, counts


def checking_s(home: pathlib.Path) -> float:
    """Wall time of mailkit-check; the ports of this home are closed, which it says."""
    begun = time.monotonic()
    words = [*servers.program("check"), "--home", str(home), "--no-network"]
    subprocess.run(words, check=False, stdout=subprocess.DEVNULL, env=servers.environment())
    return time.monotonic() - begun
