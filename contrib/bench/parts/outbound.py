"""Mail that only passes through: accepted from SMTP, queued, and sent on to Postfix's smtp-sink.

Of 100 destinations ten are dead in the last case, five that refuse connections and five that never answer. What they
cost is the rate of the other ninety, beside that of the same ninety when the ten live.
"""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import threading
import time

import bench
import measure
import servers
import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator

    Start = Callable[[pathlib.Path], contextlib.AbstractContextManager[servers.Server]]

_PORT = 19_925  # of the sink; the next two are the dead ones' and the second sink's
_HOSTS = 100  # destinations, each an address of its own: d0000 is 127.0.1.1, d0001 127.0.1.2 ...
_DEAD = 10  # d0000 to d0009; d0010 to d0099 are the living, d0100 to d0109 live in the place of the dead
_SILENT = 5  # of the dead: d0005 to d0009
_ONE, _ALL, _SOME = "one destination", "100 destinations", "100 destinations, 10 dead"
_CASES = {_ONE: (_DEAD, 1), _ALL: (_DEAD, _HOSTS), _SOME: (0, _HOSTS)}  # the first destination, and how many
_LIMIT_S = 120


class Sink:
    """A running smtp-sink; `messages` it has taken."""

    def __init__(self, port: int) -> None:
        self.messages = 0
        command = [servers.need("smtp-sink"), "-u", "nobody", "-c", "-m", "1000", f"0.0.0.0:{port}", "1000"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        assert self._process.stdout is not None
        while data := self._process.stdout.read1(65536):  # type: ignore[union-attr]
            for found in re.findall(rb"mesg=(\d+)", data):
                self.messages = int(found)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


class Run:
    """One load. rate: of all messages that can arrive; living: of those to d0010 ... d0099; cpu_ms: of each message."""

    def __init__(self, rate: float, living: float, cpu_ms: float) -> None:
        self.rate = rate
        self.living = living
        self.cpu_ms = cpu_ms


def run(context: bench.Context) -> list[table.Table]:
    """Messages a second at the sink, and the CPU of the server for each, in all of its programs."""
    result = table.Table(
        "SMTP to SMTP, 4 KiB, 20 kept sessions in", "mailkit", "Postfix",
        "Until the last message that can arrive has; Postfix's default limits.",
    )  # fmt: skip
    found: dict[str, list[dict[str, Run]]] = {"mailkit": [], "Postfix": []}
    with contextlib.ExitStack() as stack:
        sinks = Sink(_PORT), Sink(_PORT + 2)
        for sink in sinks:
            stack.callback(sink.stop)
        for number in range(_DEAD - _SILENT, _DEAD):
            stack.enter_context(_silent(f"127.0.1.{number + 1}", _PORT + 1))
        for number in range(context.repeat):
            for name, start in (("ours", _ours), ("postfix", _postfix)):
                # A new server each time: what waits for the dead must not be in the next run.
                with bench.peer(lambda: start(context.work / f"{name}-{number}")) as server:  # noqa: B023
                    if server is not None:
                        found[server.name].append(_cases(context, server, *sinks))
    for case in _CASES:
        for what, unit, field, goal in (("sent on", "msg/s", "rate", "3.00"), ("CPU", "ms/msg", "cpu_ms", "")):
            result.add(f"{what}, {case}", unit, *_figures(found, lambda runs: getattr(runs[case], field)), goal)  # noqa: B023
    for case in (_ALL, _SOME):
        result.add(f"to the living 90, {case}", "msg/s", *_figures(found, lambda runs: runs[case].living))  # noqa: B023
    slower = _figures(found, lambda runs: 100 * (1 - runs[_SOME].living / runs[_ALL].living))
    result.add("the dead slow the living by", "%", *slower, "5")
    return [result]


def _figures(found: dict[str, list[dict[str, Run]]], figure: Callable[[dict[str, Run]], float]) -> list[list[float]]:
    return [[figure(runs) for runs in found[name]] for name in ("mailkit", "Postfix")]


def _cases(context: bench.Context, server: servers.Server, sink: Sink, other: Sink) -> dict[str, Run]:
    """All cases with one server."""
    return {case: _one(context, server, sink, other, *numbers) for case, numbers in _CASES.items()}


def _one(context: bench.Context, server: servers.Server, sink: Sink, other: Sink, first: int, hosts: int) -> Run:
    messages = context.few(2000)
    numbers = [first + number % hosts for number in range(messages)]
    living = sum(1 for number in numbers if _DEAD <= number < _HOSTS)
    others = sum(1 for number in numbers if number >= _HOSTS)
    wanted, wanted_others, cpu = sink.messages + living, other.messages + others, measure.cpu_s(server.root)
    arrived: list[float] = []  # by a thread: the load returns only when everything is accepted
    watch = threading.Thread(target=lambda: arrived.append(_when(lambda: sink.messages >= wanted)))
    watch.start()
    fields = context.load(
        "smtp", "127.0.0.1", server.ports["mx"], "--messages", messages, "--sessions", 20, "--reuse",
        "--rcpt", "u@d%04d.example", "--spread", hosts, "--first", first,
    )  # fmt: skip
    started = time.monotonic() - fields["wall_s"]
    watch.join()
    if not arrived[0] or not _when(lambda: other.messages >= wanted_others):
        raise RuntimeError(f"{server.name}: {wanted - sink.messages} messages did not arrive")
    ended = time.monotonic()
    cpu_s = measure.cpu_s(server.root) - cpu
    return Run((living + others) / (ended - started), living / (arrived[0] - started), 1000 * cpu_s / (living + others))


def _when(happened: Callable[[], bool]) -> float:
    """When it was so (time.monotonic), 0 when that takes too long."""
    end = time.monotonic() + _LIMIT_S
    while not happened():
        if time.monotonic() > end:
            return 0.0
        time.sleep(0.01)
    return time.monotonic()


@contextlib.contextmanager
def _silent(ip: str, port: int) -> Iterator[None]:
    """An address where a connection is neither made nor refused."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((ip, port))
        listener.listen(0)
        for _ in range(2):  # as many as the kernel keeps for it
            end = stack.enter_context(socket.socket())
            end.setblocking(False)
            end.connect_ex((ip, port))
        yield


def _next_hops() -> Iterator[tuple[str, str]]:
    """(domain, next hop) of every destination."""
    for number in range(_HOSTS + _DEAD):
        port = _PORT + 1 if number < _DEAD else _PORT if number < _HOSTS else _PORT + 2
        yield f"d{number:04d}.example", f"[127.0.1.{number + 1}]:{port}"


@contextlib.contextmanager
def _ours(work: pathlib.Path) -> Iterator[servers.Server]:
    routes = "".join(f"{domain} {hop}\n" for domain, hop in _next_hops())
    with servers.ours(work, routes=routes, relayfrom="127.0.0.0/8") as server:
        yield server


@contextlib.contextmanager
def _postfix(work: pathlib.Path) -> Iterator[servers.Server]:
    work.mkdir(parents=True, exist_ok=True)
    (work / "transport").write_text("".join(f"{domain} smtp:{hop}\n" for domain, hop in _next_hops()))
    settings = (
        f"transport_maps = texthash:{work}/transport\n"
        "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"
        "smtp_tls_security_level = may"
    )
    with servers.postfix(work, POSTFIX_EXTRA=settings) as server:
        yield server
