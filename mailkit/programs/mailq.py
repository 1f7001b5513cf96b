"""mailkit-mailq: see and change what waits in the queue."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from typing import Any

import click

from mailkit import VERSION, clock
from mailkit.control import Home, parse
from mailkit.deliver import notice
from mailkit.deliver.message import Message
from mailkit.deliver.outcome import Outcome
from mailkit.net import blocking
from mailkit.programs import options
from mailkit.queue import claim, entry, inspection, ready
from mailkit.queue.inspection import Item

_EXAMPLE = """
Examples:

    mailkit-mailq --home ./demo list --domain example.net
    mailkit-mailq retry --older 1h
    mailkit-mailq remove --sender spammer@example.org -n
"""
_DAY_S = 86400
_DUE = ("ready", "new", "waiting")
_BAR_FROM = 1000  # entries: fewer are done before anybody looks


class Choice:
    """Which entries are meant. Every condition that is given must hold."""

    def __init__(self, ids: tuple[str, ...], **given: Any) -> None:
        self.ids = set(ids)
        self.given = {key: value for key, value in given.items() if value is not None}

    def __bool__(self) -> bool:
        return bool(self.ids or self.given)

    def takes(self, item: Item) -> bool:
        """Is this entry meant?"""
        age = clock.now() - item.arrived
        return (
            (not self.ids or item.name.id in self.ids)
            and (self.wants("recipient") is None or self.wants("recipient") in map(str.lower, item.pending))
            and (self.wants("domain") is None or any(_domain(one) == self.wants("domain") for one in item.pending))
            and (self.wants("sender") is None or item.sender.lower() == self.wants("sender"))
            and (self.wants("older") is None or age >= self.given["older"])
            and (self.wants("younger") is None or age < self.given["younger"])
            and (self.wants("state") is None or item.state == self.wants("state"))
        )

    def wants(self, key: str) -> Any:
        """The value of a condition in the form to compare, None when it was not given."""
        value = self.given.get(key)
        return value.lower().strip("<>") if isinstance(value, str) else value


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()


def _seconds(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    try:
        return float(parse("seconds", value))  # type: ignore[arg-type]
    except ValueError as error:
        raise click.BadParameter(str(error))


def choosing(function: Callable[..., None]) -> Callable[..., None]:
    """IDs and the options that choose entries, given to the function as one Choice."""

    def chosen(home: Home, ids: tuple[str, ...], **given: Any) -> None:
        own = {key: given.pop(key) for key in list(given) if key not in _CONDITIONS}
        function(home, Choice(ids, **given), **own)

    for option in reversed(_CHOOSERS):
        chosen = option(chosen)
    chosen.__doc__ = function.__doc__
    chosen.__name__ = function.__name__
    return options.common(click.argument("ids", nargs=-1, metavar="[ID ...]")(chosen))


_CONDITIONS = ("recipient", "domain", "sender", "older", "younger", "state")
_CHOOSERS = (
    click.option("--recipient", metavar="ADDRESS", help="Entries that wait for this address."),
    click.option("--domain", metavar="DOMAIN", help="Entries that wait for an address of this domain."),
    click.option("--sender", metavar="ADDRESS", help="Entries from this sender; <> is the null sender."),
    click.option("--older", metavar="TIME", callback=_seconds, help="Entries that came at least so long ago (4h, 2d)."),
    click.option("--younger", metavar="TIME", callback=_seconds, help="Entries that came less than so long ago."),
    click.option("--state", type=click.Choice([*inspection.STATES.values()]), help="Entries in this state."),
)


@click.group(epilog=_EXAMPLE, invoke_without_command=True)
@click.version_option(VERSION, message="%(prog)s %(version)s")
@click.option("--home", metavar="DIR", help="The mail system's home.")
@click.pass_context
def command(context: click.Context, home: str | None) -> None:
    """See and change what waits in the queue, also while it is worked on. Without a command: list.

    What a runner is delivering at the moment is never touched: it is called busy.
    """
    if home is not None:
        context.default_map = {name: {"home": home} for name in command.commands}
    if context.invoked_subcommand is None:
        list_.main([] if home is None else ["--home", home], standalone_mode=False)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--count", is_flag=True, help="Only numbers: entries by state and by domain.")
@choosing
def list_(home: Home, choice: Choice, as_json: bool, count: bool) -> None:
    """List entries: id, state, size, age, next attempt, sender, who waits and why."""
    found = (item for item in inspection.items(home, ids=choice.ids) if choice.takes(item))
    if count:
        _counted(found, as_json)
        return
    number = 0
    for item in found:
        number += 1
        click.echo(json.dumps(_fact(item), ensure_ascii=False) if as_json else _line(item))
    if not as_json:
        click.echo(f"{number} {'entry' if number == 1 else 'entries'}", err=True)


@command.command()
@choosing
def show(home: Home, choice: Choice) -> None:
    """Show entries whole: envelope and message, as they are on disk."""
    for item in _chosen(home, choice):
        with open(item.path, "rb") as file:
            while data := file.read(1 << 20):
                sys.stdout.buffer.write(data)


@command.command()
@options.dry_run
@choosing
def hold(home: Home, choice: Choice, dry_run: bool) -> None:
    """Put entries aside: nothing is tried until they are released."""
    _each(home, choice, "held", inspection.hold, dry_run, _DUE)


@command.command()
@options.dry_run
@choosing
def release(home: Home, choice: Choice, dry_run: bool) -> None:
    """Let held entries go on, at once."""
    _each(home, choice, "released", inspection.release, dry_run, ("held",))


@command.command()
@options.dry_run
@choosing
def retry(home: Home, choice: Choice, dry_run: bool) -> None:
    """Try waiting entries now, also where their destination is left alone for a while."""
    _each(home, choice, "due now", inspection.release, dry_run, _DUE)


@command.command()
@options.dry_run
@choosing
def remove(home: Home, choice: Choice, dry_run: bool) -> None:
    """Throw entries away; nobody is told. With --recipient only that recipient is taken out."""
    recipient = choice.wants("recipient")

    def act(home: Home, item: Item) -> str:
        if recipient is None or item.envelope is None:
            return inspection.remove(home, item)
        return inspection.cancel(home, item, {one for one in item.pending if one.lower() == recipient})

    _each(home, choice, "removed", act, dry_run, (*_DUE, "held", "failed"))


@command.command()
@options.dry_run
@click.option(
    "--reason", metavar="TEXT", default="removed from the queue by the postmaster", help="What the sender is told."
)
@choosing
def bounce(home: Home, choice: Choice, dry_run: bool, reason: str) -> None:
    """Give up now: tell the senders, and remove the entries."""

    def act(home: Home, item: Item) -> str:
        return _bounced(home, item, reason)

    _each(home, choice, "bounced", act, dry_run, (*_DUE, "held"))


def _bounced(home: Home, item: Item, reason: str) -> str:
    try:
        claimed = claim.claim(home, item.directory, item.name.text)
    except claim.Busy:
        return "busy"
    if claimed is None:
        return "gone"
    try:
        failed = [(one, Outcome("perm", "5.0.0", reason)) for one in claimed.envelope.pending]
        message = Message(claimed.fd, claimed.offset, claimed.name.size, claimed.head)
        blocking.run(notice.tell(home, claimed, message, notice.FAILED, failed))
        claimed.mark([one for one, _ in failed], entry.FAILED)
        claimed.finish()
        return "done"
    finally:
        claimed.release()


def _chosen(home: Home, choice: Choice) -> Iterable[Item]:
    if not choice:
        raise click.UsageError("say which entries: ids, --recipient, --domain, --sender, --older, --younger or --state")
    return (item for item in inspection.items(home, ids=choice.ids) if choice.takes(item))


def _each(
    home: Home,
    choice: Choice,
    word: str,
    act: Callable[[Home, Item], str],
    dry_run: bool,
    states: tuple[str, ...],
) -> None:
    """Do something to every chosen entry in one of `states`, one line each, or one for all when they are many. Exit
    status 111 when one was busy. What is ready for a mailbox becomes an entry first."""
    if choice and not dry_run:
        blocking.run(ready.adopt_all(home))
    found = [item for item in _chosen(home, choice) if item.state in states]
    many = len(found) >= _BAR_FROM
    done = f"would be {word}" if dry_run else word
    results: list[str] = []
    with _progress(found) as bar:
        for item in bar:
            result = "done"
            if not dry_run:
                result = "busy" if item.state == "ready" else act(home, item)  # of a writer who lives, or has died
            results.append(result)
            if dry_run or not many or result != "done":
                said = {"done": done, "gone": "is gone already"}
                click.echo(f"{item.name.id} {said.get(result, 'busy: a runner is delivering it; left alone')}")
    if many:
        click.echo(f"{results.count('done')} entries {done}", err=True)
    if not found:
        click.echo("no such entry", err=True)
        raise click.exceptions.Exit(100)
    if "busy" in results:
        raise click.exceptions.Exit(111)


def _progress(found: list[Item]) -> Any:
    hidden = len(found) < _BAR_FROM or not sys.stderr.isatty()
    return click.progressbar(found, file=sys.stderr, hidden=hidden)


def _counted(found: Iterable[Item], as_json: bool) -> None:
    states: dict[str, int] = {}
    domains: dict[str, int] = {}
    octets = 0
    for item in found:
        states[item.state] = states.get(item.state, 0) + 1
        octets += item.name.size
        for domain in {_domain(address) for address in item.pending}:
            domains[domain] = domains.get(domain, 0) + 1
    if as_json:
        click.echo(json.dumps({"states": states, "octets": octets, "domains": domains}))
        return
    for state, number in states.items():
        click.echo(f"{number:8} {state}")
    click.echo(f"{octets:8} octets")
    for domain, number in sorted(domains.items(), key=lambda pair: (-pair[1], pair[0])):
        click.echo(f"{number:8} to {domain}")


def _fact(item: Item) -> dict[str, object]:
    return {
        "id": item.name.id,
        "state": item.state,
        "size": item.name.size,
        "arrived": int(item.arrived),
        "due": item.name.due,
        "attempts": item.name.attempts,
        "sender": item.sender,
        "recipients": [
            {"address": one.address, "status": one.status, **one.params}
            for one in (item.envelope.recipients if item.envelope is not None else [])
        ],
        "note": item.note,
        "trouble": item.trouble,
        "file": item.path,
    }


def _line(item: Item) -> str:
    now = clock.now()
    when = "now" if item.name.wished else _span(item.name.due - now)
    due = "" if item.state in ("held", "failed") else f" due {when}"
    head = (
        f"{item.name.id} {item.state:7} {item.name.size:8} octets, {_span(item.arrived - now)}"
        f"{due}, tried {item.name.attempts}x, from <{item.sender}>"
    )
    lines = [head, *(f"    to <{address}>" for address in item.pending)]
    if item.note or item.trouble:
        lines.append(f"    {item.note or item.trouble}")
    return "\n".join(lines)


def _span(seconds: float) -> str:
    """Seconds from now, for people: "in 5m", "2d ago", "now"."""
    size = abs(seconds)
    if size < 1:
        return "now"
    for unit, length in (("d", _DAY_S), ("h", 3600), ("m", 60), ("s", 1)):
        if size >= length:
            text = f"{int(size // length)}{unit}"
            break
    return f"in {text}" if seconds > 0 else f"{text} ago"


def main(argv: list[str] | None = None) -> int:
    """The program."""
    return options.run(command, argv)
