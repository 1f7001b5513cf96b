"""What a check looks at, and what it found."""

from __future__ import annotations

import functools

from mailkit.control import Home
from mailkit.dns import resolve
from mailkit.dns.resolve import Resolver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

GOOD = "good"
NOTE = "note"  # worth knowing, nothing to do
WARN = "warn"  # works, and should be seen to
BAD = "bad"  # mail is lost, refused, open to others, or not served
UNSURE = "unsure"  # could not be found out now


class Finding:
    """level: one of the words above. text: one sentence. mend: the command, or the deed, that puts it right, "" for
    none. repair: does it, where that is safe."""

    __slots__ = ("level", "mend", "repair", "text")

    def __init__(self, level: str, text: str, mend: str = "", repair: Callable[[], None] | None = None) -> None:
        self.level = level
        self.text = text
        self.mend = mend
        self.repair = repair


class Site:
    """The mail system under examination. canary: the address that a message is sent to, "" for none."""

    def __init__(self, home: Home, canary: str = "", resolver: Resolver | None = None) -> None:
        self.home = home
        self.canary = canary
        self._resolver = resolver

    @functools.cached_property
    def resolver(self) -> Resolver:
        """The name servers of control/dnsservers, or those the system has."""
        return self._resolver if self._resolver is not None else resolve.configured(self.home.control)

    @property
    def me(self) -> str:
        """This host's full name."""
        return self.home.control.text("me")
