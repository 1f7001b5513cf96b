"""Mail that only passes through: accepted from SMTP, queued, and sent on to Postfix's smtp-sink."""

from __future__ import annotations

import contextlib
import pathlib
import re
import subprocess
import threading
import time

import bench
import measure
import servers
import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_HOSTS = 100  # destinations, each an address of its own: 127.0.1.1 ... 127.0.1.100
_DEAD = 10  # of these, where nobody listens
_CASES = {"one destination": (1, 0), "100 destinations": (_HOSTS, 0), "100 destinations, 10 dead": (_HOSTS, _DEAD)}
_LIMIT_S = 120


class Sink:
    """A running smtp-sink; `messages` it has taken."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.messages = 0
        command = [servers.need("smtp-sink"), "-u", "nobody", "-c", f"0.0.0.0:{port}", "1000"]
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


def run(context: bench.Context) -> list[table.Table]:
    """Messages a second at the sink, and the CPU of the server for each, in all of its programs."""
    sink = Sink(19_925)
    result = table.Table(
        "SMTP to SMTP, 4 KiB, 20 kept sessions in", "mailkit", "Postfix",
        "Until the last message for a destination that lives has arrived; Postfix's default limits.",
    )  # fmt: skip
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    try:
        with _ours(context.work / "ours") as ours, bench.peer(
            lambda: servers.postfix(context.work / "postfix", POSTFIX_EXTRA=_settings(context.work))
        ) as postfix:
            for case, (hosts, dead) in _CASES.items():
                for _ in range(context.repeat):
                    for server in filter(None, (ours, postfix)):
                        rate = _one(context, server, sink, hosts, dead)
                        found.setdefault(case, {}).setdefault(server.name, []).append(rate)
    finally:
        sink.stop()
    for case, rates in found.items():
        mine, theirs = rates["mailkit"], rates.get("Postfix", [])
        result.add(f"sent on, {case}", "msg/s", [rate for rate, _ in mine], [rate for rate, _ in theirs], "3.00")
        result.add(f"CPU, {case}", "ms/msg", [cpu for _, cpu in mine], [cpu for _, cpu in theirs])
    return [result]


def _one(context: bench.Context, server: servers.Server, sink: Sink, hosts: int, dead: int) -> tuple[float, float]:
    messages = context.few(2000)
    living = sum(1 for number in range(messages) if number % hosts >= dead)
    wanted, cpu = sink.messages + living, measure.cpu_s(server.root)
    # Destinations that live are d0010 and up in every case; the dead ones are d0000 to d0009.
    fields = context.load(
        "smtp", "127.0.0.1", server.ports["mx"], "--messages", messages, "--sessions", 20, "--reuse",
        "--rcpt", "u@d%04d.example", "--spread", hosts, "--first", 0 if dead else _DEAD,
    )  # fmt: skip
    started = time.monotonic() - fields["wall_s"]
    while sink.messages < wanted and time.monotonic() < started + _LIMIT_S:
        time.sleep(0.01)
    if sink.messages < wanted:
        raise RuntimeError(f"{server.name}: {wanted - sink.messages} messages did not arrive")
    return living / (time.monotonic() - started), 1000 * (measure.cpu_s(server.root) - cpu) / living


def _next_hops(sink_port: int) -> Iterator[tuple[str, str]]:
    """(domain, next hop) of every destination."""
    for number in range(_HOSTS + _DEAD):
        port = sink_port + 1 if number < _DEAD else sink_port
        yield f"d{number:04d}.example", f"[127.0.1.{number + 1}]:{port}"


@contextlib.contextmanager
def _ours(work: pathlib.Path) -> Iterator[servers.Server]:
    with servers.ours(work) as server:
        control = work / "home" / "control"
        (control / "routes").write_text("".join(f"{domain} {hop}\n" for domain, hop in _next_hops(19_925)))
        (control / "relayfrom").write_text("127.0.0.0/8\n")
        yield server


def _settings(work: pathlib.Path) -> str:
    """Lines of main.cf."""
    work.mkdir(parents=True, exist_ok=True)
    (work / "transport").write_text("".join(f"{domain} smtp:{hop}\n" for domain, hop in _next_hops(19_925)))
    return (
        f"transport_maps = texthash:{work}/transport\n"
        "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"
        "smtp_tls_security_level = may"
    )
