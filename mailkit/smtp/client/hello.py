"""The beginning of a session: greeting, EHLO, STARTTLS.

What a server offers is one line each of its answer to EHLO (RFC 5321 4.1.1.1):

    250-mx.example.org at your service
    250-SIZE 52428800
    250-PIPELINING
    250 AUTH PLAIN LOGIN
"""

from __future__ import annotations

from mailkit.smtp.client.dialogue import Dialogue, Refused
from mailkit.smtp.reply import Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ssl import SSLContext

_EVERYTHING_REFUSED = 521  # RFC 7504 3: this host takes no mail at all


class Features:
    """What a server offers: keywords in upper case with their parameters. Empty when it only knows HELO."""

    __slots__ = ("name", "words")

    def __init__(self, name: str = "", words: dict[str, list[str]] | None = None) -> None:
        self.name = name
        self.words = {} if words is None else words

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.words

    @property
    def size(self) -> int | None:
        """The largest message in octets; None when it does not say (RFC 1870 3: 0 is no limit)."""
        words = self.words.get("SIZE", [])
        if words and words[0].isascii() and words[0].isdigit() and len(words[0]) < 20:
            return int(words[0]) or None
        return None

    @property
    def mechanisms(self) -> list[str]:
        """What AUTH offers, upper case."""
        return [word.upper() for word in self.words.get("AUTH", [])]

    def limit(self, name: str) -> int | None:
        """A limit of RFC 9422 4 ("RCPTMAX", "MAILMAX"), None when none is said."""
        for word in self.words.get("LIMITS", []):
            key, _, value = word.partition("=")
            if key.upper() == name and value.isascii() and value.isdigit() and 0 < len(value) < 7:
                return int(value) or None
        return None


def features(reply: Reply) -> Features:
    """What an answer to EHLO or LHLO offers."""
    words: dict[str, list[str]] = {}
    for line in reply.lines[1:]:
        # "AUTH=PLAIN" is what some servers wrote before RFC 2554; both lines together are common.
        keyword, *rest = line.replace("AUTH=", "AUTH ", 1).split() or [""]
        known = words.setdefault(keyword.upper(), [])
        known += [word for word in rest if word not in known]
    words.pop("", None)
    return Features(reply.lines[0].partition(" ")[0], words)


async def greet(talk: Dialogue, me: str) -> None:
    """Wait for the greeting and say EHLO (LHLO); `talk.features` is set. Refused, Broken."""
    talk.stage = "greeting"
    reply = await talk.reply()
    if reply.code != 220:
        raise Refused("greeting", reply)
    await hello(talk, me)


async def hello(talk: Dialogue, me: str) -> None:
    """Say EHLO, or HELO to a server that does not know it (RFC 5321 3.2), LHLO in LMTP. Refused, Broken."""
    word = "LHLO" if talk.lmtp else "EHLO"
    reply = await talk.command(f"{word} {me}")
    if reply.ok:
        talk.features = features(reply)
        return
    if talk.lmtp or not reply.permanent or reply.code == _EVERYTHING_REFUSED:
        raise Refused(word, reply)
    reply = await talk.command(f"HELO {me}")
    if not reply.ok:
        raise Refused("HELO", reply)
    talk.features = Features(reply.lines[0].partition(" ")[0])


async def starttls(talk: Dialogue, me: str, server_name: str, context: SSLContext) -> None:
    """Take the connection to TLS and say EHLO again (RFC 3207 4.2). Only where STARTTLS was offered.

    server_name: for SNI, and for the certificate where `context` checks it. Refused when the server
    declines: the connection goes on in the clear. Broken when the handshake fails.
    """
    reply = await talk.command("STARTTLS")
    if reply.code != 220:
        raise Refused("STARTTLS", reply)
    await talk.starttls(server_name, context)
    await hello(talk, me)
