"""command: asks programs of the administrator (control/policycommand).

    rcpt /usr/local/lib/mailkit/allowed
    data /usr/local/lib/mailkit/scan --quick

The first word is the moment. The program finds what is known in its environment (MAILKIT_MOMENT, MAILKIT_SERVICE,
MAILKIT_PEER, MAILKIT_PEER_NAME, MAILKIT_HELO, MAILKIT_ACCOUNT, MAILKIT_SENDER, MAILKIT_RECIPIENT, MAILKIT_RECIPIENTS)
and, at `data`, the message on its standard input. Its exit status is the verdict, the first line it prints the text:

    0     no objection; a line "Name: value" is put on top of the message at `data`
    99    junk          100   refused          111   try again later
    else  the program failed: it is passed over, or 451 where control/policy says `must`
"""

from __future__ import annotations

import os

from mailkit import clock
from mailkit.exits import OK, PERM, TEMP, Temp
from mailkit.policy.verdict import HEADER, Verdict, defer, junk, reject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from subprocess import Popen

    from mailkit.policy.facts import Facts

MOMENTS = ("connect", "helo", "mail", "rcpt", "data")
_JUNK = 99  # qmail's convention: done, and go no further
_TEXT_OCTETS = 300
_NAMES_OCTETS = 64 << 10  # execve(2): a string of the environment has at most 128 KiB


async def connect(facts: Facts) -> Verdict | None:
    """Before the greeting."""
    return await _asked(facts, "connect")


async def helo(facts: Facts) -> Verdict | None:
    """After HELO or EHLO."""
    return await _asked(facts, "helo")


async def mail(facts: Facts) -> Verdict | None:
    """After MAIL."""
    return await _asked(facts, "mail")


async def rcpt(facts: Facts) -> Verdict | None:
    """After each RCPT."""
    return await _asked(facts, "rcpt")


async def data(facts: Facts) -> Verdict | None:
    """With the whole message."""
    return await _asked(facts, "data")


def parse(line: str) -> tuple[str, list[str]]:
    """The moment and the words of the command. ValueError."""
    moment, *words = line.split()
    if moment not in MOMENTS or not words:
        raise ValueError(f"{line!r} is not {'|'.join(MOMENTS)} COMMAND")
    return moment, words


async def _asked(facts: Facts, moment: str) -> Verdict | None:
    kept: Verdict | None = None
    for line in facts.home.control.lines("policycommand"):
        try:
            at, words = parse(line)
        except ValueError as error:
            raise Temp("a check is not available", detail=f"control/policycommand: {error}")
        if at != moment:
            continue
        found = await facts.offload(_run, facts, moment, words)
        if isinstance(found, Verdict):
            if found.decisive:
                return found
            kept = kept or found
    return kept


def _run(facts: Facts, moment: str, words: list[str]) -> Verdict | None:
    """Run one program. Temp when it cannot be run, fails, or takes longer than the checks have."""
    import signal
    import subprocess
    import tempfile

    with tempfile.TemporaryFile(dir=facts.home.run) as message:  # a place that smtpd may write in
        if moment == "data" and facts.message is not None:
            message.writelines(facts.message.pieces())
            message.seek(0)
        try:
            process = subprocess.Popen(
                words,
                stdin=message,
                stdout=subprocess.PIPE,
                env=_environment(facts, moment),
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise Temp("a check is not available", detail=f"run {words[0]}: {error.strerror}")
    with process:
        try:
            out = _said(process, facts.deadline)
            process.wait(max(0.01, facts.deadline - clock.monotonic()))
        except (TimeoutError, subprocess.TimeoutExpired):
            os.killpg(process.pid, signal.SIGKILL)
            raise Temp("a check is not available", detail=f"{words[0]}: took too long")
    return _verdict(words[0], process.returncode, out.decode("utf-8", "replace").partition("\n")[0])


def _said(process: Popen[bytes], deadline: float) -> bytes:
    """The first octets that a program prints; the rest is read and thrown away, however much it is. TimeoutError."""
    import select

    assert process.stdout is not None
    poll, out = select.poll(), b""
    poll.register(process.stdout, select.POLLIN)
    while poll.poll(1000 * max(0.01, deadline - clock.monotonic())) and clock.monotonic() < deadline:
        data = os.read(process.stdout.fileno(), 65536)
        if not data:
            return out
        out += data[: _TEXT_OCTETS - len(out)]
    raise TimeoutError


def _environment(facts: Facts, moment: str) -> dict[str, str]:
    told = {
        "MOMENT": moment,
        "SERVICE": facts.service,
        "PEER": facts.peer,
        "PEER_NAME": facts.peer_name,
        "HELO": facts.helo,
        "ACCOUNT": facts.account,
        "SENDER": facts.sender,
        "RECIPIENT": facts.recipient if moment == "rcpt" else "",
        "RECIPIENTS": _shortened(" ".join(facts.recipients)),
        "HOME": facts.home.path,
    }
    path = {"PATH": os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin")}
    return path | {f"MAILKIT_{name}": value.replace("\0", "") for name, value in told.items()}


def _shortened(names: str) -> str:
    """As many names as fit: with one octet too many the program could not be started, and nobody would be checked."""
    if len(names.encode("utf-8", "surrogateescape")) <= _NAMES_OCTETS:
        return names
    cut = names.encode("utf-8", "surrogateescape")[:_NAMES_OCTETS]
    return cut[: cut.rfind(b" ")].decode("utf-8", "surrogateescape")


def _verdict(program: str, status: int, text: str) -> Verdict | None:
    if status == OK:
        name, colon, _ = text.partition(":")
        if not (colon and name and " " not in name):
            return None
        return Verdict(HEADER, field=text)
    if status == _JUNK:
        return junk(text or "a check of ours says so")
    if status == PERM:
        return reject("5.7.1", text or "refused by a check of ours")
    if status == TEMP:
        return defer("4.7.1", text or "please try again later")
    raise Temp("a check is not available", detail=f"{program}: exit status {status}")
