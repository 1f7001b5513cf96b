"""What arrives in BDAT chunks, turned into the text that an intake takes (RFC 3030)."""

from __future__ import annotations

from mailkit.exits import Trouble
from mailkit.policy.message import Held
from mailkit.smtp.reply import Refused
from mailkit.smtp.wire import ChunkText

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.smtp.intake import Intake
    from mailkit.smtp.state import Session


class Chunks:
    """The chunks of one message.

    Text goes on to the intake as it comes. A BINARYMIME message is held to its end as it is, then rewritten as text
    (see binary), because the queue and Maildir keep lines that end in LF, and binary has no lines.
    """

    __slots__ = ("_decoder", "_held", "_session", "message")

    def __init__(self, session: Session, message: Intake, binary: bool) -> None:
        self._session = session
        self.message = message
        self._decoder = ChunkText(session.repair)
        self._held = Held(session.home) if binary else None

    def write(self, data: bytes) -> None:
        """Take octets of a chunk. Never raises: see Intake.failure."""
        if self.message.failure is not None:
            return
        if self._held is None:
            self._text(self._decoder.decode(data))
            return
        limit = self._session.settings.databytes
        try:
            if limit and self._held.size + len(data) > limit:
                raise Refused(552, "5.3.4", f"message too big, {limit} octets are the limit", by="databytes")
            self._held.write(data)
        except (Refused, Trouble) as error:
            self.message.fail(error)

    def end(self) -> None:
        """That was the last chunk."""
        if self.message.failure is not None:
            return
        if self._held is None:
            self._text(self._decoder.decode(b"", last=True))
            return
        from mailkit.smtp import binary

        for text in binary.texts(b"".join(self._held.pieces())):
            self.message.write(text)

    def close(self) -> None:
        """Forget what is held."""
        if self._held is not None:
            self._held.close()

    def _text(self, text: bytes) -> None:
        flaw = self._decoder.flaw
        if flaw:
            self.message.fail(Refused(554, "5.6.0", f"{flaw} in the message (RFC 5321 2.3.8)", by="line ends"))
        elif text:
            self.message.write(text)
