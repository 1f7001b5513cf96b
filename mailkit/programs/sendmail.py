"""mailkit-sendmail: the sendmail(8) interface, as cron, PHP, git send-email, mutt and mailx use it.

Who may write the queue (the mail system's user, root) writes it; everybody else leaves the message in queue/drop,
from where the runner takes it (queue.drop). No set-id program is needed, and it works while nothing runs.
"""

from __future__ import annotations

import os
import sys

from mailkit import VERSION
from mailkit.control import DEFAULT_HOME, Home
from mailkit.deliver import compose
from mailkit.deliver.intake import Received
from mailkit.exits import EX_DATAERR, EX_TEMPFAIL, EX_UNAVAILABLE, EX_USAGE, OK, Trouble
from mailkit.mail import dsn
from mailkit.net import straight
from mailkit.queue import drop
from mailkit.queue.entry import Envelope, Recipient
from mailkit.queue.inject import Spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailkit.net.conn import Conn


USAGE = f"""usage: mailkit-sendmail [options] [address ...]

Queue the message on standard input for the addresses.

  -t                 also for the addresses in To, Cc and Bcc
  -i, -oi            a line with a single dot does not end the message
  -f, -r ADDRESS     envelope sender
  -F NAME            full name of the sender, for a missing From
  -N WORDS           what to report: never, or some of success,failure,delay
  -R full|hdrs       how much of the message comes back in a report
  -V ID              envelope id, told in reports
  -B 7BIT|8BITMIME   type of the body
  -v                 say what happens
  -bs                speak SMTP on standard input and output
  -bp                list the queue (mailkit-mailq)
  -q                 work on the queue once (mailkit-runq --once)
  -bi                nothing: aliases need no compiling
  --home DIR         the mail system's home ($MAILKIT_HOME or {DEFAULT_HOME})
  -n, -U, -G, -e, -o, -O, -C, -h, -L, -m, -X    taken and ignored
  --help             this text
  --version          the version

example:
    mailkit-sendmail --home ./demo -t < message
"""

_WITH_VALUE = "fFrNRVBOCXhLo"  # sendmail(8): the value follows in the same word or in the next


class Settings:
    """What the command line said. mode: the letter after -b, "q" for -q."""

    __slots__ = ("addresses", "body", "dots_end", "envid", "from_header", "home", "mode", "name", "notify", "ret",
                 "sender", "verbose")  # fmt: skip

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.body = ""
        self.dots_end = True
        self.envid = ""
        self.from_header = False
        self.home = os.environ.get("MAILKIT_HOME", DEFAULT_HOME)
        self.mode = "m"
        self.name = os.environ.get("NAME", "")
        self.notify = ""
        self.ret = ""
        self.sender: str | None = None
        self.verbose = False


def main(argv: list[str] | None = None) -> int:
    """The program."""
    argv = sys.argv[1:] if argv is None else argv
    if "--help" in argv[:1]:
        print(USAGE, end="")
        return OK
    if "--version" in argv[:1]:
        print("mailkit-sendmail", VERSION)
        return OK
    try:
        settings = parse(argv)
        if settings.mode != "m":
            return _other(settings)
        return _submit(settings)
    except ValueError as error:
        print(f"mailkit-sendmail: {error}", file=sys.stderr)
        return EX_USAGE
    except Trouble as trouble:
        print(f"mailkit-sendmail: {trouble}", file=sys.stderr)
        return EX_TEMPFAIL if trouble.passing else EX_UNAVAILABLE
    except OSError as error:
        print(f"mailkit-sendmail: {error.filename or 'message'}: {error.strerror}", file=sys.stderr)
        return EX_TEMPFAIL


def parse(argv: list[str]) -> Settings:
    """The settings of a command line in sendmail's own style: -oi, -fADDRESS, -f ADDRESS, -bp. ValueError."""
    settings = Settings()
    words = list(reversed(argv))
    while words:
        word = words.pop()
        if word == "--":
            settings.addresses += reversed(words)
            break
        if word == "--home" or word.startswith("--home="):
            settings.home = word[7:] if "=" in word else _next(words, word)
        elif len(word) > 1 and word[0] == "-":
            _apply(settings, word, words)
        else:
            settings.addresses.append(word)
    return settings


def _apply(settings: Settings, word: str, words: list[str]) -> None:
    letter, value = word[1], word[2:]
    if letter in _WITH_VALUE and not value:
        value = _next(words, word)
    if letter in "fr":
        settings.sender = value.strip().removeprefix("<").removesuffix(">")
    elif letter == "F":
        settings.name = value
    elif letter == "t":
        settings.from_header = True
    elif letter == "i" or (letter == "o" and value == "i"):
        settings.dots_end = False
    elif letter == "N":
        settings.notify = ",".join(dsn.notify(value))
    elif letter == "R":
        settings.ret = dsn.ret({"hdrs": "HDRS", "headers": "HDRS"}.get(value.lower(), value))
    elif letter == "V":
        settings.envid = dsn.envid(dsn.xtext(value))
    elif letter == "B":
        settings.body = value.upper()
        if settings.body not in ("7BIT", "8BITMIME"):
            raise ValueError("-B is 7BIT or 8BITMIME")
    elif letter == "v":
        settings.verbose = True
    elif letter == "q":
        settings.mode = "q"
    elif letter == "b":
        settings.mode = value[:1]
    elif letter not in "oOCXhLnUGemAx":
        raise ValueError(f"there is no option {word}; mailkit-sendmail --help shows what there is")


def _next(words: list[str], word: str) -> str:
    if not words:
        raise ValueError(f"{word} wants a value")
    return words.pop()


def _other(settings: Settings) -> int:
    """The modes that are other programs."""
    home = ["--home", settings.home]
    if settings.mode == "p":
        from mailkit.programs import mailq

        return mailq.main([*home, "list"])
    if settings.mode == "q":
        from mailkit.programs import runq

        return runq.main([*home, "--once"])
    if settings.mode == "s":
        return _speak_smtp(Home(settings.home))
    if settings.mode == "i":
        return OK
    raise ValueError(f"there is no mode -b{settings.mode}; mailkit-sendmail --help shows what there is")


def _speak_smtp(home: Home) -> int:
    """-bs: the SMTP server on standard input and output, for whoever started us: they may send anywhere."""
    from mailkit.net.serve import Service, run
    from mailkit.smtp.session import session

    async def serve(conn: Conn) -> None:
        await session(conn, home)

    return run("sendmail", home, {"local": Service("local", serve)}, "local")


def _submit(settings: Settings) -> int:
    """Queue or drop the message on standard input."""
    home = Home(settings.home)
    home.check()
    domain = (home.control.lines("domains") or [home.control.text("me")])[0]
    with Received(0, dots_end=settings.dots_end) as received:
        sender = _sender(settings, domain)
        chunks = received.message.chunks()
        block, body = compose.parted(next(chunks))
        to = [compose.qualified(address, domain) for address in settings.addresses if address]
        if settings.from_header:
            to += [address for address in compose.recipients(block, domain) if address not in to]
        if not to:
            print("mailkit-sendmail: no recipients", file=sys.stderr)
            return EX_USAGE if not settings.from_header else EX_DATAERR
        unfit = [address for address in (sender, *to) if not address.isprintable()]
        if unfit:
            raise ValueError(f"{unfit[0]!r} is no address")
        author = sender or compose.qualified("postmaster", domain)
        head = compose.repaired(block, author, settings.name or _full_name(), domain)
        id = _queue(home, _envelope(settings, sender, to), head + b"\n" + body, chunks)
    if settings.verbose:
        print(f"queued as {id} for {', '.join(to)}", file=sys.stderr)
    return OK


def _queue(home: Home, envelope: Envelope, first: bytes, chunks: Iterator[bytes]) -> str:
    """Into the queue where we may, else into the drop directory; the name it has there."""
    if not os.access(os.path.join(home.queue, "tmp"), os.W_OK):

        def all_chunks() -> Iterator[bytes]:
            yield first
            yield from chunks

        return drop.deposit(home, envelope, all_chunks())
    spool = Spool(home)
    id = spool.begin(envelope)
    try:
        spool.write(drop.received(home, id, os.getuid()) + first)
        for chunk in chunks:
            spool.write(chunk)
        return straight.run(spool.commit())
    finally:
        spool.abort()


def _envelope(settings: Settings, sender: str, to: list[str]) -> Envelope:
    given = {"ret": settings.ret, "envid": settings.envid, "body": settings.body}
    params = {key: value for key, value in given.items() if value}
    if not "".join((sender, *to)).isascii():
        params["smtputf8"] = "yes"
    notify = {"notify": settings.notify} if settings.notify else {}
    return Envelope(sender, [Recipient(address, params=dict(notify)) for address in to], params)


def _sender(settings: Settings, domain: str) -> str:
    """-f, or who runs us."""
    if settings.sender is not None:
        return compose.qualified(settings.sender, domain) if settings.sender else ""
    return compose.qualified(_login(), domain)


def _login() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid{os.getuid()}"


def _full_name() -> str:
    """The first part of the gecos field, where "&" stands for the login name."""
    import pwd

    try:
        entry = pwd.getpwuid(os.getuid())
    except KeyError:
        return ""
    return entry.pw_gecos.partition(",")[0].replace("&", entry.pw_name.capitalize())
