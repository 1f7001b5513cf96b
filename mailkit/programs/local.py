"""mailkit-local: deliver one message from standard input to one user.

Started by hand, by scripts, by fetchmail and getmail, and by other mail systems as their local delivery agent; so its
exit statuses are those of sysexits(3), which all of them understand.
"""

from __future__ import annotations

import os
import sys

from mailkit import log
from mailkit.deliver import local, route
from mailkit.deliver.dotfile import ADDRESS, LIST, MAILBOX, MAILDIR, MBOX, PROGRAM
from mailkit.deliver.intake import Received
from mailkit.exits import EX_NOUSER, EX_TEMPFAIL, EX_UNAVAILABLE, EX_USAGE, OK, Trouble
from mailkit.net import straight
from mailkit.programs.lean import HOME, Option, leave, parse
from mailkit.queue.entry import Recipient
from mailkit.users.identity import foreign

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.control import Home
    from mailkit.deliver.outcome import Outcome
    from mailkit.deliver.route import Verdict

_ABOUT = "Deliver the message on standard input to USER, an address or a local part of a domain here."
_EXAMPLE = "mailkit-local --home ./demo -f alice@example.net bob@example.test < message"
_OPTIONS = (
    HOME,
    Option("user", "USER", "who gets it, as maildrop and dovecot-lda are told", short="d"),
    Option("sender", "ADDRESS", "envelope sender, for Return-Path and bounces", short="f"),
    Option("environment", "", "take both from $RECIPIENT and $SENDER, as Exim and Postfix set them", short="e"),
    Option("folder", "NAME", "deliver into this folder if there is one", short="m"),
    Option("marked", "", "the caller has put Delivered-To on top: that line is no mail loop", short="D"),
    Option("expanded", "", "an alias stands for USER: look for no alias of just this address"),
    Option("explain", "", "say which way the address goes, and which file decided; deliver nothing"),
)
_DEEDS = {
    MAILDIR: "deliver to",
    MBOX: "append to",
    PROGRAM: "run",
    ADDRESS: "send on to",
    LIST: "as a mailing list",
    MAILBOX: "deliver to the user's Maildir",
}


def main(argv: list[str] | None = None) -> int:
    """The program. Without `argv` this is all that the process is for, and it ends here."""
    status = _run(argv)
    if argv is None:
        leave(status)
    return status


def _run(argv: list[str] | None) -> int:
    options = parse("mailkit-local", _ABOUT, _OPTIONS, _EXAMPLE, argv, operands="[USER]", misuse=EX_USAGE)
    users = options.all("user") + options.operands
    if options.flag("environment"):
        users += [name for name in (os.environ.get("RECIPIENT"),) if name]
    if len(users) != 1:
        print("mailkit-local: name one user; mailkit-local --help shows how", file=sys.stderr)
        return EX_USAGE
    home = options.home()
    try:
        address = full_address(home, users[0])
        expanded = options.flag("expanded")
        verdict = route.judge(home, address, expanded)
        if options.flag("explain"):
            return _explain(home, verdict, options.one("folder"))
        if verdict.kind == "overquota":
            print(f"4.2.2 {verdict.text}", file=sys.stderr)
            return EX_TEMPFAIL
        if not home.control.lines("domains"):  # a home that is not there, not mounted, half restored
            print(f"4.3.5 {home.path}/control/domains is empty or missing: nobody has mail here", file=sys.stderr)
            return EX_TEMPFAIL
        if verdict.kind != "local":
            print(f"mailkit-local: {address}: {verdict.text or 'not an address of this system'}", file=sys.stderr)
            return EX_NOUSER
        with Received(0, marked=options.flag("marked")) as received:
            folder = options.one("folder")
            given = os.environ.get("SENDER", "") if options.flag("environment") else received.sender
            sender = options.one("sender", given).removeprefix("<").removesuffix(">")
            sender = "" if sender == "MAILER-DAEMON" else sender  # the null sender, as Postfix's pipe(8) writes it
            recipient = Recipient(
                verdict.address, params={"expanded": "yes", "via": verdict.address} if expanded else {}
            )
            _step_down(home, verdict)
            return _told(straight.run(local.handle(home, verdict, sender, received.message, recipient, folder=folder)))
    except Trouble as trouble:
        print(f"mailkit-local: {trouble}", file=sys.stderr)
        return EX_TEMPFAIL if trouble.passing else EX_UNAVAILABLE
    except OSError as error:
        print(f"mailkit-local: {error.filename or 'message'}: {error.strerror}", file=sys.stderr)
        return EX_TEMPFAIL
    except Exception as error:
        log.trace("local", error)
        return EX_TEMPFAIL


def _step_down(home: Home, verdict: Verdict) -> None:
    """Root becomes whoever the mail belongs to, whose servers are to read it. Temp when the system does not let us."""
    if os.geteuid() != 0:
        return
    owner = os.stat(home.domains if os.path.isdir(home.domains) else home.path)
    if verdict.user is not None and foreign(verdict.user):
        from mailkit.deliver import identity

        identity.become(verdict.user)
    elif owner.st_uid:
        from mailkit.deliver import identity
        from mailkit.users.passwd import User

        identity.become(User("", uid=str(owner.st_uid), gid=str(owner.st_gid)))


def full_address(home: Home, user: str) -> str:
    """USER as an address: a bare name is looked for in each hosted domain, in the order of control/domains."""
    if "@" in user:
        return user
    domains = [*home.control.lines("domains"), home.control.text("me")]
    for domain in domains:
        if route.judge(home, f"{user}@{domain}").kind == "local":
            return f"{user}@{domain}"
    return f"{user}@{domains[0]}"


def _explain(home: Home, verdict: Verdict, folder: str) -> int:
    for step in verdict.steps:
        print(step)
    if verdict.kind == "remote":
        print(f"deliver {verdict.address} by SMTP to {verdict.domain}")
        return OK
    if verdict.kind != "local":
        print(f"refuse {verdict.address}: {verdict.code} {verdict.text}")
        return EX_NOUSER
    for target in verdict.targets:
        print(f"send on to {target}")
    dotfile = local.dotfile_of(home, verdict)
    if dotfile is not None:
        print(f"obey {dotfile.path}")
        for instruction in dotfile.instructions:
            print(f"    {_DEEDS[instruction.kind]} {instruction.value}".rstrip())
        if not dotfile.instructions:
            print("    throw it away")
    elif verdict.user is not None:
        folder = local.folder_of(verdict.user, folder, verdict.extension)
        print(f"deliver to {verdict.user.maildir}" + (f", folder {folder}" if folder else ""))
    return OK


def _told(result: Outcome) -> int:
    """The exit status for an outcome; its text goes to standard error, where MTAs take the words of a bounce from."""
    if result.ok:
        return OK
    print(f"{result.code} {result.text}", file=sys.stderr)
    if result.status == "temp":
        return EX_TEMPFAIL
    return EX_NOUSER if result.code.startswith("5.1.") else EX_UNAVAILABLE
