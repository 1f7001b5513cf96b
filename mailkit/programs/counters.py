"""mailkit-counters: what this machine's mail servers have done, for Prometheus (text format 0.0.4)."""

from __future__ import annotations

import os
import select
import sys

from mailkit import clock, counters, files
from mailkit.exits import OK, TEMP, Temp
from mailkit.programs.lean import HOME, Option, parse
from mailkit.queue import inspection, listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailkit.control import Home

_ABOUT = "Print the counters of the servers and of the queue as Prometheus reads them."
_EXAMPLE = "mailkit-counters --output /var/lib/prometheus/node-exporter/mailkit.prom"
_OPTIONS = (
    HOME,
    Option("output", "FILE", "write them into a file, whole at any time: for node_exporter's textfile collector"),
    Option("http", "", "answer one HTTP request on standard input (GET /metrics): for a socket unit or inetd"),
)
_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_REQUEST_MOST = 16384
_REQUEST_S = 10.0

GAUGES = {
    "mailkit_queue_messages": "messages in the queue, by state",
    "mailkit_queue_oldest_seconds": "age of the oldest message that waits",
}


def main(argv: list[str] | None = None) -> int:
    """The program."""
    options = parse("mailkit-counters", _ABOUT, _OPTIONS, _EXAMPLE, argv)
    home = options.home()
    try:
        home.check()
        if options.flag("http"):
            sys.stdout.buffer.write(_answer(_request(0), home))
            sys.stdout.buffer.flush()
        elif output := options.one("output"):
            # The collector is another user.
            files.replace(output, exposition(home).encode(), mode=0o644, durable=False)
        else:
            sys.stdout.write(exposition(home))
    except Temp as missing:
        print(f"mailkit-counters: {missing}", file=sys.stderr)
        return TEMP
    except OSError as error:
        print(f"mailkit-counters: {error.filename or 'output'}: {error.strerror}", file=sys.stderr)
        return TEMP
    return OK


def exposition(home: Home) -> str:
    """Everything there is to tell. OSError when the files cannot be read."""
    samples = dict(_summed(home))
    lines = []
    for name, meaning in {row.name: row.meaning for row in counters.COUNTERS}.items():
        kind = "counter" if name.endswith("_total") else "gauge"
        lines += [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"]
        found = {sample: value for sample, value in samples.items() if sample.partition("{")[0] == name}
        if not found and not any(row.label for row in counters.COUNTERS if row.name == name):
            found = {name: 0}
        lines += [f"{sample} {value}" for sample, value in sorted(found.items())]
    for (name, meaning), values in zip(GAUGES.items(), (_states(home), {"": _age(home)}), strict=True):
        lines += [f"# HELP {name} {meaning}", f"# TYPE {name} gauge"]
        lines += [f"{name}{labels} {value}" for labels, value in values.items()]
    return "\n".join(lines) + "\n"


def _summed(home: Home) -> dict[str, int]:
    """The samples of all programs of this machine together; gauges without the number of their process."""
    samples: dict[str, int] = {}
    for path in _paths(home):
        with open(path, "rb") as file:
            found = counters.parse(file.read())
        for sample, value in found.items():
            if counters.is_true(sample):
                plain = sample.partition(',pid="')
                name = plain[0] + "}" if plain[1] else sample
                samples[name] = samples.get(name, 0) + value
    return samples


def _paths(home: Home) -> Iterator[str]:
    directory = os.path.join(home.run, "counters")
    try:
        names = sorted(os.listdir(directory))
    except FileNotFoundError:
        return
    for name in names:
        if name.rpartition(".")[0] == clock.host():
            yield os.path.join(directory, name)


def _states(home: Home) -> dict[str, int]:
    counts = {state: sum(1 for _ in listing.entries(home, place)) for place, state in inspection.STATES.items()}
    return {f'{{state="{state}"}}': count for state, count in counts.items()}


def _age(home: Home) -> int:
    return round(inspection.oldest(home))


def _request(fd: int) -> bytes:
    """The head of an HTTP request, or what came of it in time."""
    head = b""
    until = clock.monotonic() + _REQUEST_S
    while b"\r\n\r\n" not in head and b"\n\n" not in head and len(head) < _REQUEST_MOST:
        ready, _, _ = select.select([fd], [], [], max(0.0, until - clock.monotonic()))
        if not ready or not (data := os.read(fd, 4096)):
            break
        head += data
    return head


def _answer(head: bytes, home: Home) -> bytes:
    """The HTTP response (RFC 9112), after which the connection is closed."""
    method, _, rest = head.partition(b"\r\n")[0].partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    if method not in (b"GET", b"HEAD"):
        return _response(b"405 Method Not Allowed", b"GET /metrics\n", method)
    if path not in (b"/metrics", b"/"):
        return _response(b"404 Not Found", b"GET /metrics\n", method)
    return _response(b"200 OK", exposition(home).encode(), method)


def _response(status: bytes, body: bytes, method: bytes) -> bytes:
    head = b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    return head % (status, _TYPE, len(body)) + (b"" if method == b"HEAD" else body)
