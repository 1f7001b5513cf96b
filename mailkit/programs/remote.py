"""mailkit-remote: send one message by SMTP or LMTP now, without the queue, and say what the servers said.

For hands and scripts: what the runner does for a queue entry, once, with the dialogue to look at.
"""

from __future__ import annotations

import os
import sys

from mailkit.deliver import remote
from mailkit.deliver.outcome import Outcome
from mailkit.deliver.remote import Outside, routes
from mailkit.deliver.remote.routes import Route
from mailkit.exits import OK, PERM, TEMP, Temp, Trouble
from mailkit.mail import address
from mailkit.net import blocking
from mailkit.programs.lean import HOME, Option, parse
from mailkit.queue.entry import Recipient

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.control import Home
    from mailkit.programs.lean import Options

_ABOUT = "Send the message on standard input to its recipients' servers, now."
_EXAMPLE = "mailkit-remote -v --from alice@example.test --to bob@example.org < message"
_OPTIONS = (
    HOME,
    Option("from", "ADDRESS", "envelope sender; '' is the null sender (default: you at control/me)", short="f"),
    Option("to", "ADDRESS", "a recipient; may be given several times", short="t"),
    Option("mx", "DOMAIN", "the servers of this domain, instead of the recipients' own or control/routes"),
    Option("host", "HOST", "this server: a name, an address, or the path of a socket"),
    Option("port", "NUMBER", "its port (default: 25, 465 with --smtps, 24 with --lmtp)", short="p"),
    Option("lmtp", "", "speak LMTP"),
    Option("smtps", "", "TLS before the greeting"),
    Option("tls", "LEVEL", "off, may, require or verify (default: control/remotetls)", choices=routes.LEVELS),
    Option("login", "NAME", "log in as this line of control/routelogins says"),
    Option("helo", "NAME", "our name in EHLO (default: control/helohost, else control/me)"),
    Option("source", "ADDRESS", "address to connect from"),
    Option("notify", "WORDS", "delivery reports wanted: NEVER, or some of SUCCESS,FAILURE,DELAY"),
    Option("ret", "WHAT", "FULL or HDRS: what of the message a report returns", choices=("FULL", "HDRS")),
    Option("envid", "TEXT", "envelope id for reports"),
    Option("requiretls", "", "refuse servers that do not promise TLS all the way (RFC 8689)"),
    Option("verbose", "", "show the dialogues on standard error", short="v"),
    Option("dry-run", "", "show which servers would be tried, and connect to none", short="n"),
)


def main(argv: list[str] | None = None) -> int:
    """The program."""
    options = parse("mailkit-remote", _ABOUT, _OPTIONS, _EXAMPLE, argv)
    home = options.home()
    try:
        sender, recipients = _addresses(options, home)
        route = _route(options)
        outside = Outside(home, trace=_trace if options.flag("verbose") else None)
        if options.flag("dry-run"):
            return blocking.run(_show(outside, route, sender, recipients))
        return blocking.run(_send(options, outside, route, sender, recipients))
    except (ValueError, Trouble) as error:
        print(f"mailkit-remote: {error}", file=sys.stderr)
        return TEMP if isinstance(error, Temp) else PERM
    except OSError as error:
        print(f"mailkit-remote: message: {error.strerror}", file=sys.stderr)
        return TEMP


def _addresses(options: Options, home: Home) -> tuple[str, dict[str, list[Recipient]]]:
    """The sender, and the recipients by domain. ValueError."""
    me = home.control.text("me")
    sender = options.one("from", f"{os.environ.get('LOGNAME') or 'root'}@{me}")
    if sender:
        sender = str(address.mailbox(sender))
    params = {"notify": options.one("notify").upper()} if options.one("notify") else {}
    by_domain: dict[str, list[Recipient]] = {}
    for text in options.all("to"):
        mailbox = address.mailbox(text)
        by_domain.setdefault(mailbox.domain.lower(), []).append(Recipient(str(mailbox), params=params))
    if not by_domain:
        raise ValueError("name a recipient with --to; mailkit-remote --help shows how")
    return sender, by_domain


def _route(options: Options) -> Route | None:
    """The route that the command line asks for; None: as control/routes has it. ValueError."""
    host, mx = options.one("host"), options.one("mx")
    if host and mx:
        raise ValueError("--host and --mx do not go together")
    lmtp, smtps = options.flag("lmtp"), options.flag("smtps")
    if not any(map(options.flag, ("host", "mx", "port", "lmtp", "smtps", "tls", "login", "helo", "source"))):
        return None
    port = options.one("port") or ("24" if lmtp else "465" if smtps else "25")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{port!r} is no port")
    return Route(
        host.strip("[]") or mx.lower(),
        int(port),
        direct=bool(host),
        lmtp=lmtp,
        implicit_tls=smtps,
        tls=options.one("tls"),
        login=options.one("login"),
        sources=tuple(options.all("source")),
        helo=options.one("helo"),
    )


async def _show(
    outside: Outside, route: Route | None, sender: str, recipients: dict[str, list[Recipient]]
) -> int:
    """Print the servers that would be tried: a line each, the best first."""
    for domain in recipients:
        chosen = route or routes.choose(outside.home, sender, domain)
        for place in await outside.places(chosen, domain):
            print(domain, place.name, place.ip, place.port)
    return OK


async def _send(
    options: Options, outside: Outside, route: Route | None, sender: str, recipients: dict[str, list[Recipient]]
) -> int:
    """Send it; print what became of each recipient, a line each."""
    params = {name: options.one(name) for name in ("ret", "envid") if options.one(name)}
    if options.flag("requiretls"):
        params["requiretls"] = "yes"
    everybody = [recipient for group in recipients.values() for recipient in group]
    if not all(text.isascii() for text in (sender, *(recipient.address for recipient in everybody))):
        params["smtputf8"] = "yes"
    fd, offset = _message()
    results: list[Outcome] = []
    try:
        for domain, group in recipients.items():
            found = await remote.attempt(
                outside.home, domain, sender, group, fd, offset, params, outside=outside, route=route
            )
            for recipient, result in zip(group, found, strict=True):
                print(result.status, recipient.address, result.remote or "-", result.text)
            results += found
    finally:
        await outside.close()
        os.close(fd)
    statuses = {result.status for result in results}
    return TEMP if "temp" in statuses else PERM if "perm" in statuses else OK


def _message() -> tuple[int, int]:
    """Standard input as a descriptor that can be read at any place, and where the message begins in it. OSError."""
    try:
        offset = os.lseek(0, 0, os.SEEK_CUR)
        os.pread(0, 1, offset)
        return os.dup(0), offset
    except OSError:
        pass  # a pipe
    import tempfile

    with tempfile.TemporaryFile(prefix="mailkit-") as file:
        while data := os.read(0, 1 << 16):
            file.write(data)
        file.flush()
        return os.dup(file.fileno()), 0


def _trace(line: str) -> None:
    # What a server says must not reach the terminal as more than text.
    print("".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in line), file=sys.stderr)
