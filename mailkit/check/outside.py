"""Programs that smtpd asks: those of control/policycommand can be run, the milters of control/milters answer."""

from __future__ import annotations

import os
import shlex
import stat

from mailkit import clock
from mailkit.check.finding import BAD, GOOD, WARN, Finding, Site
from mailkit.policy import command, milter, packets
from mailkit.policy.chain import Chain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailkit.control import Control

_PATIENCE_S = 5.0
_ASKED_BY = {"policycommand": "command", "milters": "milter"}


def check(site: Site) -> Iterator[Finding]:
    """What the checks of control/policy need outside. Perm when that has a line nobody understands."""
    control = site.home.control
    asked = Chain(control.lines("policy"), 0).names
    found = [one for value, name in _ASKED_BY.items() for one in _needless(control, value, name, name in asked)]
    if "command" in asked:
        found += [_program(line) for line in control.lines("policycommand")]
    if "milter" in asked:
        found += [_milter(place) for place in control.lines("milters")]
    yield from found or [Finding(GOOD, "no check asks another program")]


def _needless(control: Control, value: str, name: str, asked: bool) -> Iterator[Finding]:
    """One of both without the other."""
    if control.lines(value) and not asked:
        text = f"control/{value} is set, and control/policy has no line {name}: nobody is asked"
        yield Finding(WARN, text, _added(control, name))
    elif asked and not control.lines(value):
        text = f"control/policy has the line {name}, and control/{value} is empty: nobody is asked"
        yield Finding(WARN, text, f"fill {os.path.join(control.directory, value)}; see mailkit-smtpd(8)")


def _added(control: Control, name: str) -> str:
    """The command that adds a line to control/policy. A new file is to have the default's lines, too."""
    path = os.path.join(control.directory, "policy")
    if control.set("policy"):
        return f"echo {name} >> {path}"
    lines = " ".join(shlex.quote(line) for line in [*control.lines("policy"), name])
    return f"printf '%s\\n' {lines} > {path}"


def _program(line: str) -> Finding:
    """Can it be run? Not by whoever checks, who may be root: by anybody."""
    try:
        moment, words = command.parse(line)
    except ValueError as error:
        return Finding(BAD, f"control/policycommand: {error}; it is passed over", "edit it; see mailkit-smtpd(8)")
    path = words[0]
    if not path.startswith("/"):
        text = f"control/policycommand: {path} is no whole path: whether smtpd finds it depends on its PATH"
        return Finding(WARN, text, "write the path from / on")
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        text = f"control/policycommand: {path}: {error.strerror}; it is passed over"
        return Finding(BAD, text, "edit it, or put the program there")
    if not stat.S_ISREG(mode) or not mode & 0o111:
        text = f"control/policycommand: {path} is not executable; it is passed over"
        return Finding(BAD, text, f"chmod +x {path}" if stat.S_ISREG(mode) else "edit it")
    return Finding(GOOD, f"{path} can be asked at {moment}")


def _milter(place: str) -> Finding:
    link = milter.Link(place)
    try:
        link.agree(clock.monotonic() + _PATIENCE_S)
    except ValueError as error:
        return Finding(BAD, f"control/milters: {error}; it is passed over", "edit it")
    except (OSError, packets.Broken) as error:
        why = (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__
        text = f"the milter {place} does not answer: {why}; where control/policy says must, mail is put off"
        return Finding(BAD, text, "start it, or correct control/milters")
    finally:
        link.quit()
    return Finding(GOOD, f"the milter {place} answers")
