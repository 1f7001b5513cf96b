"""Is everything right? One module for each check, one row for each in CHECKS; in this order they are made.

    def check(site: Site) -> Iterator[Finding]

A check looks and does not change anything; what it can put right safely it offers as `Finding.repair`. Trouble and
OSError become a finding of their own, so that one broken thing hides no other.
"""

from __future__ import annotations

import importlib

from mailkit.check.finding import UNSURE, Finding, Site
from mailkit.exits import Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKS = {
    "home": "mailkit.check.permissions:check",
    "control": "mailkit.check.values:check",
    "policy": "mailkit.check.outside:check",
    "users": "mailkit.check.people:check",
    "certificates": "mailkit.check.certificates:check",
    "ports": "mailkit.check.ports:check",
    "queue": "mailkit.check.waiting:check",
    "disk": "mailkit.check.disk:check",
    "clock": "mailkit.check.time:check",
    "dns": "mailkit.check.names:check",
    "canary": "mailkit.check.canary:check",
}
NETWORK = frozenset(("dns",))  # what asks beyond this machine


def made(name: str, site: Site) -> Iterator[Finding]:
    """The findings of one check."""
    module, _, function = CHECKS[name].partition(":")
    try:
        yield from getattr(importlib.import_module(module), function)(site)
    except Trouble as trouble:
        yield Finding(UNSURE, str(trouble))
    except OSError as error:
        yield Finding(UNSURE, f"{error.filename or name}: {error.strerror or error}")
