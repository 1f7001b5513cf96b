"""mailkit-why: what became of a message, told from the log."""

from __future__ import annotations

import json
import os
import shutil

import click

from mailkit.control import Home
from mailkit.exits import PERM, Perm
from mailkit.programs import options
from mailkit.queue import listing
from mailkit.trace import life, source, words
from mailkit.trace.life import Life
from mailkit.trace.line import Line
from mailkit.trace.source import Source

_EXAMPLE = """
Examples:

    mailkit-why bob@example.org
    mailkit-why --log /var/log/mail.log.1 --log /var/log/mail.log f9f00d0c6fd42f43
"""
_PLACES = {
    "ready": "it waits for its mailbox",
    "new": "it waits in the queue",
    "cur": "it waits in the queue",
    "hold": "it is held in the queue until somebody releases it",
    "failed": "it lies damaged in queue/failed",
}


@click.command(epilog=_EXAMPLE)
@options.common_anywhere
@click.option("--log", "logs", metavar="FILE", multiple=True, help="A log to read; several in order; - is stdin.")
@click.option("--last", type=click.IntRange(1), metavar="N", default=10, show_default=True, help="Tell the newest N.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.argument("wanted", metavar="ID|ADDRESS|MESSAGE-ID")
def command(home: Home, logs: tuple[str, ...], last: int, as_json: bool, wanted: str) -> None:
    """Tell the life of a message: connection, checks, queue, attempts, folder.

    ID is what a reply, mailkit-mailq or a Received line shows. Without --log the file HOME/log is read, or else the
    journal. Exit status 100 when the log knows nothing of it.
    """
    if not wanted.strip("<> "):
        raise click.UsageError("what is to be looked for?")
    with _opened(home, list(logs)) as log:
        lives, total = life.find(log, wanted, last)
    if total > last:
        click.echo(f"{total} found; these are the last {last}, and what came of them (--last N shows more)", err=True)
    for found in lives:
        click.echo(json.dumps(_record(home, found), ensure_ascii=False) if as_json else _told(home, found))
    if not lives:
        click.echo(f"the log says nothing of {wanted}", err=True)
        raise click.exceptions.Exit(PERM)


def _opened(home: Home, logs: list[str]) -> Source:
    """The logs that were named, or the first of HOME/log and the journal that tells anything. Perm: there is none."""
    own = home.join("log")
    if logs or (os.path.isfile(own) and os.path.getsize(own)):
        return source.opened(logs or [own])
    if os.path.isdir("/run/systemd/system") and shutil.which("journalctl"):
        return source.journal()
    raise Perm(f"there is no log: {own} is missing or empty, there is no journal; name one with --log", code="5.3.5")


def _record(home: Home, found: Life) -> dict[str, object]:
    return {
        "kind": found.kind,
        "id": found.id,
        "state": found.state,
        "queue": _place(home, found),
        "events": [_event(one) for one in found.lines],
    }


def _event(one: Line) -> dict[str, object]:
    told = words.sentence(one)
    return {"time": one.time, "program": one.program, "word": one.word, "fields": one.fields, "told": told}


def _told(home: Home, found: Life) -> str:
    """A heading, one line for each event, and how it stands now."""
    lines = [f"{found.kind} {found.id}: {found.state}"]
    day = ""
    for one in found.lines:
        date, _, time = words.clock_time(one.time).partition(" ") if one.time is not None else ("", "", "")
        if date != day:
            lines.append(f"  {date}")
            day = date
        lines.append(f"  {time:8}  {words.sentence(one)}")
    place = _place(home, found)
    if place:
        lines.append(f"  now       {_PLACES[place]} (mailkit-mailq show {found.id})")
    elif found.state in ("waiting", "queued"):
        lines.append("  now       it is not in the queue any more: somebody removed it, or the log ends too early")
    return "\n".join(lines) + "\n"


def _place(home: Home, found: Life) -> str:
    """The directory of the queue in which a message still is, "" when it is in none."""
    entry = listing.find(home, found.id) if found.kind == life.MESSAGE else None
    return entry[0] if entry is not None else ""


def main(argv: list[str] | None = None) -> int:
    """The program."""
    return options.run(command, argv)
