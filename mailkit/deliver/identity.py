"""Whose rights a delivery has: users with a uid of their own in the passwd line get it under that uid.

Only root can become somebody else. A process that delivers to many (the runner) stays root and starts mailkit-local
for such users; mailkit-local becomes the user for good before it touches anything of theirs.
"""

from __future__ import annotations

import os
import sys

from mailkit import log
from mailkit.deliver.outcome import Outcome
from mailkit.deliver.task import Task
from mailkit.exits import EX_DATAERR, EX_NOUSER, EX_UNAVAILABLE, OK, Temp
from mailkit.users import identity
from mailkit.users.identity import foreign

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.deliver.pipe import Result
    from mailkit.users.passwd import User

__all__ = ["become", "deliver", "foreign"]

_LIMIT_S = 3600.0
_PERMANENT = (EX_DATAERR, EX_NOUSER, EX_UNAVAILABLE)
_PROGRAM = "import sys; from mailkit.programs.local import main; sys.exit(main())"


def become(user: User) -> None:
    """Be the user from now on (users.identity). Temp when the system does not let us."""
    import fcntl  # noqa: F401  what is imported later must be here already: the user may not read where it is
    import subprocess  # noqa: F401

    import mailkit.deliver.duplicates
    import mailkit.deliver.fullness
    import mailkit.deliver.instructions
    import mailkit.mail.date
    import mailkit.mail.word
    import mailkit.maildir.tree  # noqa: F401

    identity.become(user)


def deliver(task: Task) -> Outcome:
    """Let mailkit-local do it; blocking. Temp when it cannot be started."""
    from mailkit.deliver import pipe

    words = [sys.executable, "-c", _PROGRAM, "--home", task.home.path, "--sender", f"<{task.sender}>"]
    if task.just_expanded:
        words.append("--expanded")
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        result = pipe.run_words([*words, "--", task.verdict.address], task.message.chunks(), environment, "/", _LIMIT_S)
    except OSError as error:
        raise Temp("the mailbox is not available", code="4.3.0", detail=f"start mailkit-local: {error.strerror}")
    return _outcome(result)


def _outcome(result: Result) -> Outcome:
    """The outcome that an exit status of mailkit-local and its last line stand for; its log lines go to our log."""
    if result.status == OK:
        for line in result.output.splitlines():
            log.sink(line)
        return Outcome("ok", "2.0.0", "delivered by mailkit-local")
    *lines, last = result.output.splitlines() or [f"mailkit-local ended with status {result.status}"]
    for line in lines:
        log.sink(line)
    status = "perm" if result.status in _PERMANENT else "temp"
    code, _, text = last.partition(" ")
    if code.count(".") != 2 or code[0] not in "45":
        code, text = ("5.3.0" if status == "perm" else "4.3.0"), last
    return Outcome(status, code, text)
