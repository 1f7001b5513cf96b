r"""Counters: what the log tells, as numbers that last.

COUNTERS is the one table of them. A counter is moved by a log line (`word`, where `only` says which) and by nothing
else, so log and numbers cannot differ. A process counts in memory; every few seconds and at its end it adds what is new
to a small file of its machine and program, under a lock, so the numbers outlive processes. The lines of such a file,
run/counters/HOST.smtpd, are those that Prometheus reads:

    mailkit_accepted_total 1204
    mailkit_refused_total{reason="5.1.1"} 77
    mailkit_sessions_open{service="imaps",pid="4711"} 12

A gauge belongs to its process: its line is written anew, not added to, and dropped by whoever comes next once the
process is gone. Losing counts is allowed (a killed process, a full disk), counting twice and hindering mail are not.
"""

from __future__ import annotations

import _thread
import os

from mailkit import clock, files, log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_EVERY_S = 5.0
_MOST_OCTETS = 1 << 20


class Counter:
    """One row. word: the log line that moves it. only: a field of the line and its values that count, () for all;
    a value "*" is any. label: its name in the output. fields: where its value is taken from, the first that is there.
    step: by how much; of a gauge, lines with -1 take back what those with 1 gave.
    """

    __slots__ = ("fields", "is_gauge", "label", "meaning", "name", "only", "step", "word")

    def __init__(
        self,
        name: str,
        meaning: str,
        word: str,
        only: tuple[str, ...] = (),
        label: str = "",
        fields: tuple[str, ...] = (),
        step: int = 1,
    ) -> None:
        self.name = name
        self.meaning = meaning
        self.word = word
        self.only = only
        self.label = label
        self.fields = fields or ((label,) if label else ())
        self.step = step
        self.is_gauge = not name.endswith("_total")  # it goes down, too

    def value(self, fields: Mapping[str, object]) -> str | None:
        """Of the label, "" where there is none; None when a log line with these fields does not count here."""
        if self.only:
            value = fields.get(self.only[0])
            if value is None or (self.only[1] != "*" and value not in self.only[1:]):
                return None
        for name in self.fields:
            if found := fields.get(name):
                return str(found)
        return "other" if self.label else ""

    def sample(self, value: str, pid: int) -> str:
        """The name with labels, the first of which has this value."""
        labels = []
        if self.label:
            labels.append(f'{self.label}="{_escaped(value)}"')
        if self.is_gauge:
            labels.append(f'pid="{pid}"')
        return f"{self.name}{{{','.join(labels)}}}" if labels else self.name


_BEGUN = ("service", "*")  # the same word tells of connections to other hosts that could not be made

COUNTERS = (
    Counter("mailkit_sessions_total", "connections served", "connect", _BEGUN, "service"),
    Counter("mailkit_sessions_open", "connections now open", "connect", _BEGUN, "service"),
    Counter("mailkit_sessions_open", "connections now open", "close", (), "service", step=-1),
    Counter("mailkit_sessions_refused_total", "connections turned away, by the limit reached", "busy", (), "limit"),
    Counter("mailkit_tls_failures_total", "TLS handshakes that failed", "tls", ("c", "*")),
    Counter("mailkit_logins_total", "logins", "login", ("verdict", "ok"), "service"),
    Counter(
        "mailkit_login_failures_total",
        "logins that failed, by why",
        "login",
        ("verdict", "failed", "blocked", "syntax", "mechanism", "clear", "cancelled", "temp"),
        "reason",
        ("verdict",),
    ),
    Counter("mailkit_accepted_total", "messages taken over SMTP and LMTP", "accept"),
    Counter("mailkit_dropped_in_total", "messages taken from the drop directory", "drop", ("q", "*")),
    Counter(
        "mailkit_refused_total",
        "SMTP commands refused, by the check or else the status",
        "refuse",
        (),
        "reason",
        ("by", "status", "code"),
    ),
    Counter("mailkit_delivered_total", "recipients delivered to", "deliver", ("verdict", "ok"), "by"),
    Counter("mailkit_deferred_total", "attempts that will be repeated", "deliver", ("verdict", "temp"), "by"),
    Counter("mailkit_bounced_total", "recipients given up", "deliver", ("verdict", "perm"), "by"),
    Counter("mailkit_reports_total", "bounces and other notices made", "report", ("report", "*"), "kind"),
    Counter("mailkit_errors_total", "errors nobody expected", "broken"),
    Counter("mailkit_workers_died_total", "worker processes that died and were replaced", "worker", ("died", "*")),
)

_BY_WORD: dict[str, list[Counter]] = {}
for _row in COUNTERS:
    _BY_WORD.setdefault(_row.word, []).append(_row)


class _Tally:
    """What this process has counted and not yet written, and where it goes. pid: a fork must begin anew."""

    __slots__ = ("due", "gauges", "lock", "new", "path", "pid", "samples")

    def __init__(self, path: str) -> None:
        self.path = path
        self.pid = os.getpid()
        self.lock = _thread.allocate_lock()  # log lines come from threads, too
        self.new: dict[str, int] = {}
        self.gauges: dict[str, int] = {}
        self.samples: dict[tuple[Counter, str], str] = {}  # those counted before, by row and value
        self.due = 0.0


_tally: _Tally | None = None


def start(run: str, program: str) -> None:
    """From now on this process counts what it logs, into run/counters. After a fork: call it again."""
    global _tally
    _tally = _Tally(os.path.join(run, "counters", f"{clock.host()}.{program}"))
    log.counting = note


def note(word: str, fields: Mapping[str, object]) -> None:
    """A line was logged."""
    rows, tally = _BY_WORD.get(word), _tally
    if rows is None or tally is None:
        return
    for row in rows:
        value = row.value(fields)
        if value is None:
            continue
        sample = tally.samples.get((row, value))
        if sample is None:
            sample = tally.samples[(row, value)] = row.sample(value, tally.pid)
        with tally.lock:
            held = tally.gauges if row.is_gauge else tally.new
            held[sample] = held.get(sample, 0) + row.step


def flush(wait_s: float | None = None) -> None:
    """Write what is new, once in a few seconds; with `wait_s`, now, after waiting that long for the lock.

    Where another process has the file, it is kept for the next time; what the disk refuses is lost.
    """
    tally = _tally
    if tally is None or tally.pid != os.getpid():
        return
    now = clock.monotonic()
    if (wait_s is None and now < tally.due) or not (tally.new or tally.gauges):
        return
    tally.due = now + _EVERY_S
    try:
        _add(tally, wait_s or 0)
    except OSError:
        pass  # another user's file, a full disk: mail goes on


def _add(tally: _Tally, wait_s: float) -> None:
    fd = _opened(tally.path)
    try:
        if not files.lock(fd, wait_s):
            return
        with tally.lock:
            new, tally.new = tally.new, {}
            gauges = dict(tally.gauges)
            tally.gauges = {sample: value for sample, value in gauges.items() if value}
        old = os.read(fd, _MOST_OCTETS)
        samples = {sample: value for sample, value in parse(old).items() if is_true(sample)}
        for sample, more in new.items():
            samples[sample] = samples.get(sample, 0) + more
        samples.update(gauges)
        samples = {sample: value for sample, value in samples.items() if value > 0}
        data = b"".join(b"%s %d\n" % (name.encode(), value) for name, value in sorted(samples.items()))
        if data != old:
            os.lseek(fd, 0, os.SEEK_SET)
            files.write(fd, data)
            files.truncate(fd, len(data))
    finally:
        os.close(fd)


def _opened(path: str) -> int:
    """The file, made with its directory where they are missing."""
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        directory = os.path.dirname(path)
        files.mkdir(directory, 0o750)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
        if os.geteuid() == 0:  # made by hand for the mail system's user, who owns run/
            owner = os.stat(os.path.dirname(directory))
            files.chown(directory, owner.st_uid, owner.st_gid)
            files.chown(fd, owner.st_uid, owner.st_gid)
        return fd


def parse(data: bytes) -> dict[str, int]:
    """The samples of a file; lines that are none do not count."""
    samples = {}
    for line in data.decode("utf-8", "replace").split("\n"):
        sample, _, value = line.rpartition(" ")
        if sample and value.isascii() and value.isdigit():
            samples[sample] = int(value)
    return samples


def is_true(sample: str) -> bool:
    """Is this no gauge of a process that is gone, and none that says nothing?"""
    _, found, pid = sample.rpartition('pid="')
    if not found:
        return True
    try:
        os.kill(int(pid.removesuffix('"}')), 0)
    except PermissionError:
        return True
    except (ProcessLookupError, ValueError, OverflowError):
        return False
    return True


def _escaped(value: str) -> str:
    """A label's value (Prometheus text format 0.0.4)."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
