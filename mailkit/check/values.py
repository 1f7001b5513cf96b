"""control/: values that are none, names that nobody reads, and the few that every system has to set."""

from __future__ import annotations

import os

from mailkit import VERSION
from mailkit.check.finding import BAD, GOOD, WARN, Finding, Site
from mailkit.control import Control, parse
from mailkit.control.networks import Networks
from mailkit.control.table import ROWS, TABLE
from mailkit.deliver.remote import routes
from mailkit.exits import Trouble
from mailkit.net import sockets
from mailkit.policy import rate, relay
from mailkit.policy.chain import Chain
from mailkit.users import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


_LISTS: dict[str, tuple[Callable[[str], object], str]] = {
    "barefrom": (lambda line: Networks([line]), "smtpd refuses to work"),
    "policy": (lambda line: Chain([line], 0), "smtpd refuses to work"),
    "proxyfrom": (lambda line: Networks([line]), "smtpd imapd pop3d refuse to work"),
    "rate": (rate.row, "nobody is limited"),
    "relayto": (relay.entry, "smtpd takes no mail for others"),
    "relayfrom": (lambda line: Networks([line]), "smtpd refuses to work"),
    "routes": (routes.parse, "no mail goes out"),
    "xclientfrom": (lambda line: Networks([line]), "smtpd refuses to work"),
}


def check(site: Site) -> Iterator[Finding]:
    """Bad values, unknown names, then what does not fit together: all at once, so that one run shows all there is to
    mend."""
    control = site.home.control
    wrong = [*_bad(control), *_unknown(control), *_lines(control), *_who_we_are(control), *_sockets(control)]
    yield from wrong
    if not wrong:
        count = sum(control.set(row.name) for row in ROWS)
        yield Finding(GOOD, f"{count} values are set, all of them are understood")


def _bad(control: Control) -> Iterator[Finding]:
    for row in ROWS:
        text = control.raw(row.name)
        try:
            parse(row.kind, row.default if text is None else text)
        except ValueError as error:
            then = "the default is used" if row.safe else f"{row.users} refuse to work"
            path = os.path.join(control.directory, row.name)
            yield Finding(BAD, f"{path}: {error}; {then}", f"edit it, or remove it for the default {row.default!r}")


def _lines(control: Control) -> Iterator[Finding]:
    """Lists whose lines mean something to the program that reads them, as it would read them."""
    for name, (read, then) in _LISTS.items():
        try:
            for line in control.lines(name):
                read(line)
        except (ValueError, Trouble) as error:
            what = error.detail.partition(": ")[2] if isinstance(error, Trouble) else str(error)
            yield Finding(BAD, f"control/{name}: {what}; {then}", "edit it; see mailkit-control(5)")


def _unknown(control: Control) -> Iterator[Finding]:
    try:
        found = sorted(os.listdir(control.directory))
    except FileNotFoundError:
        return
    for name in found:
        if name not in TABLE and not name.startswith("."):
            path = os.path.join(control.directory, name)
            text = f"{path}: no program of version {VERSION} reads it: misspelt, or of a newer version?"
            yield Finding(WARN, text, "mailkit-showctl lists what there is; pip install --upgrade mailkit")


def _who_we_are(control: Control) -> Iterator[Finding]:
    me = control.text("me")
    if not control.set("me") or "." not in me:
        text = f"control/me is {me!r}: others want this host's full name"
        yield Finding(BAD, text, f"echo mail.example.org > {os.path.join(control.directory, 'me')}")
    domains = control.lines("domains")
    if not domains:
        yield Finding(BAD, "control/domains is empty: no mail is taken for anybody", "mailkit-setup --domain DOMAIN")
    for domain in domains:
        try:
            names.domain(domain)
        except ValueError as error:
            yield Finding(BAD, f"control/domains: {error}", "edit it")


def _sockets(control: Control) -> Iterator[Finding]:
    for line in control.lines("listen"):
        try:
            sockets.parse(line)
        except ValueError as error:
            yield Finding(BAD, f"control/listen: {error}", "edit it; see mailkit-control(5)")
