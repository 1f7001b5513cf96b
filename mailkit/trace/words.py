"""Events as sentences, for somebody who wants to know what became of a message and not how we work."""

from __future__ import annotations

import datetime

from mailkit.trace.line import Line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def sentence(line: Line) -> str:
    """What happened, in one line; an event without a sentence is shown as it stands in the log."""
    told = SENTENCES.get(line.word)
    return told(line) if told is not None else _plain(line)


def clock_time(seconds: float) -> str:
    """A local time of day with its date."""
    return datetime.datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")


def _plain(line: Line) -> str:
    return " ".join([line.word, *(f"{name}={value}" for name, value in line.fields.items() if name not in ("q", "c"))])


def _connect(line: Line) -> str:
    if line.get("host"):
        return f"{line.get('host')} [{line.get('ip')}] could not be reached: {line.get('error')}"
    return f"{line.get('peer') or 'somebody on this machine'} connected ({line.get('service')})"


def _login(line: Line) -> str:
    if line.get("verdict") == "ok":
        return f"logged in as {line.get('user')} ({line.get('mech')})"
    return f"login as {line.get('user')} refused: {line.get('by') or line.get('verdict')}"


def _tls(line: Line) -> str:
    return f"the TLS handshake failed: {line.get('error')}"


def _forwarded(line: Line) -> str:
    return f"a front end passed it on for {line.get('name')} [{line.get('addr')}]"


def _policy(line: Line) -> str:
    if line.get("skipped"):
        return f"the check {line.get('by')} could not be made: {line.get('skipped')}"
    return _joined(f"the check {line.get('by')} said {line.get('verdict')}", _first(line, "text", "detail"))


def _accept(line: Line) -> str:
    count = line.get("recipients")
    others = f" and {int(count) - 1} more" if count.isdecimal() and int(count) > 1 else ""
    way = f"from {line.get('from')} for {line.get('to')}{others}"
    return f"accepted {way}, {line.get('size')} octets, as {line.get('q')}"


def _refuse(line: Line) -> str:
    verb = f"{line.get('verb')} {line.get('argument')}".strip()
    why = _first(line, "detail", "by")
    return f"refused {verb}: {line.get('code')} {line.get('text')}" + (f" ({why})" if why else "")


def _session(line: Line) -> str:
    host = line.get("host")
    if line.get("kept") == "yes":
        return f"went over the open connection to {host}"
    if line.get("said"):
        return f"{host} [{line.get('ip')}] wanted none: {line.get('code')} {line.get('said')}"
    tls = line.get("tls")
    return f"connected to {host} [{line.get('ip')}], {tls if tls != 'no' else 'without TLS'}"


def _close(line: Line) -> str:
    if line.get("ended") and line.get("messages"):
        return f"the session ended ({line.get('ended')}), {line.get('messages')} messages taken"
    return "the connection was closed"


def _drop(line: Line) -> str:
    if line.get("uid"):
        return f"taken from the drop directory, where uid {line.get('uid')} had left it, as {line.get('q')}"
    return _plain(line)


def _deliver(line: Line) -> str:
    to, verdict, remote = line.get("to"), line.get("verdict"), line.get("remote")
    said = _joined(line.get("code"), line.get("said"), " ") if verdict != "ok" else line.get("said")
    who = f"{remote} said" if remote else {"local": "here", "route": "here"}.get(line.get("by"), "on the way")
    if verdict == "ok":
        where = f" ({line.get('file')})" if line.get("file") else ""
        return _joined(f"{remote} took it for {to}" if remote else f"delivered to {to}", said) + where
    if verdict == "temp":
        return f"not delivered to {to} yet; {who}: {said}"
    return f"cannot be delivered to {to}; {who}: {said}"


def _defer(line: Line) -> str:
    due = line.get("due")
    when = clock_time(int(due)) if due.isdecimal() else due
    alone = f"; {line.get('alone')} not tried, as their destination is left alone" if line.get("alone") else ""
    return f"waits for {line.get('left')} of its recipients after attempt {line.get('attempts')}{alone}; next at {when}"


def _later(line: Line) -> str:
    said = _joined(line.get("code"), line.get("said"), " ")
    return f"{line.get('remote')} said of {line.get('to')}: {said}; another host was asked"


def _report(line: Line) -> str:
    if line.get("kind") == "limit":
        return f"{line.get('about')} reached a limit; {line.get('to') or 'nobody'} was told"
    if line.get("report"):
        return f"{line.get('to')} was told ({line.get('kind')}) by the message {line.get('report')}"
    return f"nobody to tell that {line.get('about')} is {line.get('kind')}: {line.get('said')}"


def _remote(line: Line) -> str:
    return f"trouble on the way to {line.get('domain')}: {line.get('error')}"


def _queue(line: Line) -> str:
    if line.get("verdict") == "queued":
        return "found whole in queue/tmp after a crash, and queued"
    if line.get("operation") == "adopt":
        return f"no plain delivery to {line.get('to')} any more: an entry of the queue from here on"
    if line.get("instead"):
        return f"could not be left for its mailbox: {line.get('error')}; an entry of the queue instead"
    return f"the queue could not be written: {line.get('error')}"


def _local(line: Line) -> str:
    return f"trouble with the mailbox of {line.get('to')}: {line.get('why')}"


def _dotfile(line: Line) -> str:
    return f"the instructions in {line.get('file')} were followed: {line.get('did')}"


def _program(line: Line) -> str:
    return _joined(f"the program {line.get('command')} ended with status {line.get('status')}", line.get("said"))


def _joined(first: str, second: str, by: str = ": ") -> str:
    return f"{first}{by}{second}" if second else first


def _first(line: Line, *names: str) -> str:
    return next((line.get(name) for name in names if line.get(name)), "")


SENTENCES: dict[str, Callable[[Line], str]] = {
    "accept": _accept,
    "close": _close,
    "connect": _connect,
    "defer": _defer,
    "deliver": _deliver,
    "dotfile": _dotfile,
    "drop": _drop,
    "forwarded": _forwarded,
    "later": _later,
    "local": _local,
    "login": _login,
    "policy": _policy,
    "program": _program,
    "queue": _queue,
    "refuse": _refuse,
    "remote": _remote,
    "report": _report,
    "session": _session,
    "tls": _tls,
}
