"""The arguments of a command that brings messages, as they come in (APPEND, REPLACE).

    box (\\Seen) {6}    CATENATE (URL "/x;UID=1" TEXT {3}    )
    `---------'         `----------------------------'       the text up to a literal, read by `reader`
               `--- octets that are not kept in memory, `receive`

When a literal is taken `reader` is another one, for the text behind it.
"""

from __future__ import annotations

from mailkit.imap import intake
from mailkit.imap.responses import No
from mailkit.imap.wire import Bad
from mailkit.imap.wire.engine import Broken, Command, Data, Upload
from mailkit.imap.wire.reader import Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from mailkit.imap.session import Session
    from mailkit.maildir.save import Delivery


class Incoming:
    """Where we are in such a command."""

    __slots__ = ("reader", "state")

    def __init__(self, state: Session, reader: Reader) -> None:
        self.state = state
        self.reader = reader

    @property
    def over(self) -> bool:
        """Nothing follows any more."""
        return self.reader.done and self.state.upload is None

    def literal(self) -> Upload:
        """The literal that must come next. Bad: something else does."""
        self.reader.end()
        if self.state.upload is None:
            raise Bad("A message is a literal")
        return self.state.upload

    async def receive(self, write: Callable[[bytes], None]) -> None:
        """Hand the octets of the literal to `write`, and go on to the text behind it. OSError is that of `write`."""
        state = self.state
        state.upload = None
        if state.engine.accept():
            state.conn.write(b"+ OK\r\n")
        try:
            while True:
                event = await intake.event(state)
                assert isinstance(event, Data)
                write(event.octets)
                if not event.left:
                    break
        except OSError:
            state.engine.abandon()
            raise
        await self._go_on()

    async def _go_on(self) -> None:
        event = await intake.event(self.state)
        if isinstance(event, Broken):
            raise Bad(event.text)
        assert isinstance(event, (Command, Upload))
        self.state.upload = event if isinstance(event, Upload) else None
        self.reader = Reader(event.args, self.state.utf8)


class Lines:
    """A message on its way into its file: its lines end in CRLF on the wire, and in LF there."""

    __slots__ = ("_carried", "delivery", "octets")

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        self.octets = 0
        self._carried = b""

    def write(self, octets: bytes) -> None:
        """The next octets, cut anywhere. OSError."""
        self.octets += len(octets)
        octets = self._carried + octets
        self._carried = b"\r" if octets.endswith(b"\r") else b""
        self.delivery.write((octets[:-1] if self._carried else octets).replace(b"\r\n", b"\n"))

    def end(self) -> None:
        """No octets follow. OSError."""
        self.delivery.write(self._carried)
        self._carried = b""


def refuse_size(octets: int, limit: int) -> None:
    """No [TOOBIG] over the limit (RFC 7889), No for nothing at all."""
    if octets > limit:
        raise No(f"A message has at most {limit} octets", "TOOBIG")
    if octets == 0:
        raise No("A message of no octets cannot be stored", "CANNOT")
