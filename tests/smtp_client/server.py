"""An SMTP server in memory, as the client's connection sees it: well-behaved but for what a test tells it to do.

    server = Server(offers=["PIPELINING"], say={"RCPT": ["250 ok", "550 5.1.1 no such user"], "end": CLOSE})
    talk = Dialogue(server, Limits())
    ... server.commands, server.messages, server.envelopes

`say` by moment: "greeting", a verb, "chunk" (a BDAT that is not the last), "end" (after the message),
"handshake". A value is a reply (text, may hold several lines), CLOSE, SILENCE, DRIP, ENDLESS, DEAF, or a
list of such things, used one after the other (the last one for ever). Time is the fake clock's: silence
costs what the client is ready to wait, and no test sleeps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mailkit.net.conn import Gone, Timeout
from tests.harness.fakeclock import FakeClock
from tests.harness.transcript import FakeTls

CLOSE = "(closes the connection)"
SILENCE = "(says nothing more)"
DRIP = "(sends an octet a second, never a line)"
ENDLESS = "(sends lines of one reply without end)"
DEAF = "(stops reading)"

_USUAL = {
    "greeting": "220 mx.example.net ESMTP",
    "HELO": "250 mx.example.net",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go on",
    "chunk": "250 2.0.0 chunk taken",
    "end": "250 2.0.0 queued as 4711",
    "RSET": "250 2.0.0 ok",
    "QUIT": "221 2.0.0 bye",
    "STARTTLS": "220 2.0.0 go ahead",
    "handshake": "works",
}


class Server:
    """A connection (mailkit.net.connect.ClientConn) whose other end is played here."""

    def __init__(
        self,
        offers: list[str] | None = None,
        say: dict[str, Any] | None = None,
        *,
        clock: FakeClock | None = None,
        lmtp: bool = False,
        cut: int = 0,
        peer: str = "192.0.2.1",
        more_commands: dict[str, Callable[[Server, str], str]] | None = None,
    ) -> None:
        self.offers = ["PIPELINING", "SIZE 1000000", "8BITMIME", "ENHANCEDSTATUSCODES"] if offers is None else offers
        self.say = {moment: list(v) if isinstance(v, list) else [v] for moment, v in (say or {}).items()}
        self.clock = clock
        self.lmtp = lmtp
        self.cut = cut
        self.more_commands = more_commands or {}
        self.commands: list[str] = []
        self.messages: list[bytes] = []
        self.envelopes: list[list[str]] = []
        self.closed = False
        # What a session sees of a connection.
        self.id, self.service, self.peer, self.peer_port = "feed", "client", peer, 25
        self.local, self.local_port = "192.0.2.25", 50000
        self.tls: FakeTls | None = None
        self.can_starttls = False
        self.idle_s = 300.0
        self.server_names: list[str] = []
        self._queued: list[bytes] = []
        self._incoming = b""
        self._outgoing = b""
        self._mood = ""
        self._reading = "command"  # or "message", or the octets a chunk still lacks
        self._chunk_left = 0
        self._chunk_last = False
        self._message = b""
        self._envelope: list[str] = []
        self._accepted = 0
        self._answer("greeting")

    # The client's end.

    def write(self, data: bytes) -> None:
        self._queued.append(bytes(data))

    async def flush(self) -> None:
        data, self._queued = b"".join(self._queued), []
        if self._mood == DEAF:
            self._wait()
            raise Timeout
        if self._mood == CLOSE and data:
            raise Gone
        self._incoming += data
        self._work()

    async def more(self, wake: bool = False) -> bytes | None:
        assert self.idle_s > 0
        if self._outgoing:
            size = self.cut or len(self._outgoing)
            data, self._outgoing = self._outgoing[:size], self._outgoing[size:]
            return data
        if self._mood == CLOSE:
            return b""
        if self._mood in (DRIP, ENDLESS):
            assert self.clock is not None
            self.clock.advance(1)
            return b"2" if self._mood == DRIP else b"250-more\r\n" * 100
        self._wait()
        raise Timeout

    async def pause(self, seconds: float) -> None:
        assert not seconds

    async def starttls_client(self, server_hostname: str, context: Any) -> None:
        await self.flush()
        self.server_names.append(server_hostname)
        self._outgoing = b""
        if self._next("handshake") != "works":
            raise Gone
        self.tls = FakeTls()
        if not self.commands:
            self._answer("greeting")  # implicit TLS: what was said before was never sent
        self.offers = [word for word in self.offers if word != "STARTTLS"]

    async def offload(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)

    def close(self) -> None:
        self.closed = True

    # The server's end.

    def _wait(self) -> None:
        if self.clock is not None:
            self.clock.advance(self.idle_s)

    def _work(self) -> None:
        while self._incoming and self._mood in ("", SILENCE):
            if self._reading == "chunk":
                if not self._take_chunk():
                    return
            elif self._reading == "message":
                if not self._take_message():
                    return
            else:
                line, end, rest = self._incoming.partition(b"\r\n")
                if not end:
                    return
                self._incoming = rest
                self._command(line.decode("utf-8"))

    def _command(self, line: str) -> None:
        self.commands.append(line)
        verb = line.partition(" ")[0].upper()
        if verb in self.more_commands:
            self._send(self.more_commands[verb](self, line))
        elif verb == "BDAT":
            words = line.split()
            self._chunk_left, self._chunk_last = int(words[1]), words[-1] == "LAST"
            self._reading = "chunk"
            self._take_chunk()
        elif verb in ("EHLO", "LHLO") and verb not in self.say:
            self._send("\n".join(["250 mx.example.net hello", *self.offers]))
        else:
            self._answer(verb, line)

    def _answer(self, moment: str, line: str = "") -> None:
        reply = self._next(moment)
        if not self._send(reply):
            return
        positive = reply.startswith(("2", "3"))
        if moment == "MAIL":
            self._envelope, self._message, self._accepted = [line], b"", 0
        elif moment == "RCPT" and positive:
            self._envelope.append(line)
            self._accepted += 1
        elif moment == "DATA" and reply.startswith("354"):
            self._reading = "message"

    def _take_message(self) -> bool:
        whole = b"\r\n" + self._incoming
        message, end, rest = whole.partition(b"\r\n.\r\n")
        if not end:
            return False
        self._incoming = rest
        self._reading = "command"
        lines = (message + b"\r\n")[2:].replace(b"\r\n.", b"\r\n")
        self._finish(lines[1:] if lines.startswith(b".") else lines)
        return True

    def _take_chunk(self) -> bool:
        data, self._incoming = self._incoming[: self._chunk_left], self._incoming[self._chunk_left :]
        self._message += data
        self._chunk_left -= len(data)
        if self._chunk_left:
            return False
        self._reading = "command"
        if self._chunk_last:
            self._finish(self._message)
        else:
            self._answer("chunk")
        return True

    def _finish(self, message: bytes) -> None:
        self.messages.append(message)
        self.envelopes.append(self._envelope)
        for _ in range(self._accepted if self.lmtp else 1):
            self._answer("end")

    def _next(self, moment: str) -> str:
        replies = self.say.get(moment)
        if replies is None:
            return _USUAL.get(moment, "502 5.5.2 not implemented")
        return str(replies.pop(0) if len(replies) > 1 else replies[0])

    def _send(self, reply: str) -> bool:
        """Say it; False when it is a mood, not a reply."""
        if self._mood == SILENCE:
            return False
        if reply in (CLOSE, SILENCE, DRIP, ENDLESS, DEAF):
            self._mood = reply
            return False
        self._outgoing += _lines(reply) if reply else b""
        return True


def _lines(reply: str) -> bytes:
    """A reply as octets: a text of several lines gets the code on each, unless it brings its own ("250-a\\n250 b")."""
    lines = reply.split("\n")
    code = lines[0][:3]
    out = []
    for number, line in enumerate(lines):
        if not line.startswith(code):
            line = f"{code}-{line}"
        if len(lines) > 1:
            line = line[:3] + (" " if number == len(lines) - 1 else "-") + line[4:]
        out.append(line)
    return "".join(line + "\r\n" for line in out).encode("utf-8", "surrogateescape")
