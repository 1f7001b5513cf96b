"""The control values of one service, read together and kept for a moment.

A session looks at some thirty values. Asking the control directory for each costs more than the whole rest of a small
session, so one reading serves all sessions that start within KEPT_S seconds of it.
"""

from __future__ import annotations

from mailkit import clock
from mailkit.control.networks import Networks
from mailkit.exits import Perm
from mailkit.policy.chain import Chain
from mailkit.smtp.reply import Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.control import Control, Home

KEPT_S = 1.0


class Settings:
    """What control/ says for a service; the names are those of the control files. See mailkit-control(5)."""

    __slots__ = (
        "barefrom",
        "databytes",
        "earlywait_s",
        "hideclient",
        "holdmost_s",
        "lmtp",
        "maxcommands",
        "maxerrors",
        "maxheader",
        "maxhops",
        "maxmessages",
        "maxrcpt",
        "me",
        "policy",
        "relayfrom",
        "replies",
        "service",
        "smtptimeout_s",
        "softerrors",
        "submission",
        "tarpit_s",
        "vrfy",
        "xclientfrom",
    )

    def __init__(self, control: Control, service: str) -> None:
        """Perm where a value is bad and no default is safe."""
        self.service = service
        self.submission = service.startswith("submission")
        self.lmtp = service == "lmtp"
        self.me = control.text("me")
        self.databytes = control.octets("databytes")
        self.maxheader = control.octets("maxheader")
        self.maxhops = control.number("maxhops")
        self.maxrcpt = control.number("maxrcpt")
        self.maxmessages = control.number("maxmessages")
        self.maxcommands = control.number("maxcommands")
        self.softerrors = control.number("softerrors")
        self.maxerrors = control.number("maxerrors")
        self.tarpit_s = control.seconds("tarpit")
        self.smtptimeout_s = control.seconds("smtptimeout")
        self.holdmost_s = control.seconds("holdmost")
        self.hideclient = control.flag("hideclient")
        self.vrfy = control.flag("vrfy")
        self.relayfrom = _networks(control, "relayfrom")
        self.barefrom = _networks(control, "barefrom")
        self.xclientfrom = _networks(control, "xclientfrom")
        self.policy = Chain(control.lines("policy"), control.seconds("policytime"))
        self.earlywait_s = control.number("earlywait") / 1000 if "early" in self.policy.names else 0.0
        self.replies: dict[tuple[str, ...], Reply] = {}  # to EHLO and HELO, by their lines


_kept: dict[tuple[str, str], tuple[float, Settings]] = {}


def of(home: Home, service: str) -> Settings:
    """The settings of a service, at most KEPT_S old. Perm as Settings."""
    now = clock.monotonic()
    kept = _kept.get((home.path, service))
    if kept is not None and 0 <= now - kept[0] < KEPT_S:
        return kept[1]
    fresh = Settings(home.control, service)
    _kept[(home.path, service)] = (now, fresh)
    return fresh


def forget() -> None:
    """Read everything anew at the next session: for tests that change control files."""
    _kept.clear()


def _networks(control: Control, name: str) -> Networks:
    try:
        return Networks(control.lines(name))
    except ValueError as error:
        raise Perm("configuration error", code="4.3.5", detail=f"control/{name}: {error}")
