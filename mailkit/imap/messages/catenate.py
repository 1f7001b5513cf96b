"""A message put together of what the client sends and of what lies here already (CATENATE, RFC 4469)."""

from __future__ import annotations

from mailkit.imap.capability import append_limit
from mailkit.imap.messages import sources
from mailkit.imap.messages.incoming import Lines, refuse_size
from mailkit.imap.responses import No
from mailkit.imap.wire import Bad, urls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailkit.imap.messages.incoming import Incoming
    from mailkit.imap.session import Session

PARTS_MOST = 1000


class Glue:
    """Where the parts of messages come from, for one command; `close` it. copied: octets that URLs brought."""

    __slots__ = ("copied", "limit", "sources", "state")

    def __init__(self, state: Session) -> None:
        self.state = state
        self.sources = sources.Sources(state)
        self.limit = append_limit(state)
        self.copied = 0

    def copy(self, lines: Lines, pieces: Iterator[bytes]) -> None:
        """What a URL names into a message. Blocking.

        No [TOOBIG]: nor is a disk filled by naming one message again and again. FileNotFoundError, OSError.
        """
        for octets in pieces:
            self.copied += len(octets)
            if max(self.copied, lines.octets + len(octets)) > self.limit:
                raise No(f"A message has at most {self.limit} octets", "TOOBIG")
            lines.write(octets)

    def close(self) -> None:
        """Let the folders go."""
        self.sources.close()


async def parts(incoming: Incoming, glue: Glue, lines: Lines) -> None:
    """cat-part *(SP cat-part): all of them into one file, up to the `)`. No [BADURL], No [TOOBIG], Bad, OSError."""
    for number in range(PARTS_MOST):
        if number:
            incoming.reader.space()
        kind = incoming.reader.word()
        incoming.reader.space()
        if kind == "TEXT":
            refuse_size(lines.octets + incoming.literal().size_octets or 1, glue.limit)
            await incoming.receive(lines.write)
        elif kind == "URL":
            await copied(glue, lines, await url(incoming))
        else:
            raise Bad(f"CATENATE knows no {kind}")
        if incoming.reader.peek() == b")":
            lines.end()
            refuse_size(lines.octets, glue.limit)
            return
    raise No(f"A message is made of at most {PARTS_MOST} parts", "LIMIT")


async def url(incoming: Incoming) -> bytes:
    """An astring, which as a literal comes like the text of a message does."""
    if not incoming.reader.done:
        return incoming.reader.astring()
    if incoming.literal().size_octets > urls.URL_MOST_OCTETS:
        raise No("That is no URL", "TOOBIG")
    found = bytearray()
    await incoming.receive(found.extend)
    return bytes(found)


async def copied(glue: Glue, lines: Lines, octets: bytes) -> None:
    """The octets that a URL names, into the message."""
    try:
        found = urls.read(octets)
        item = found.item()
        folder = await glue.sources.folder(await sources.path_of(glue.state, found))
        if not sources.names_one(folder, found):
            raise ValueError("there is no such message")
        await glue.state.conn.offload(glue.copy, lines, sources.octets(folder, found.uid, item))
    except (ValueError, FileNotFoundError) as error:
        raise No("That names no message or part of one", f"BADURL {urls.shown(octets)}") from error
    except No as refusal:
        if refusal.code != "NONEXISTENT":
            raise
        raise No("That names no mailbox", f"BADURL {urls.shown(octets)}")
