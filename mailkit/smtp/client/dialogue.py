"""Commands out, replies in.

Invariant: nothing waits for ever. A command has its limit (RFC 5321 4.5.3.2) however slowly octets drip
in, the whole connection has one too, and the parser bounds the length of a reply. Whatever goes wrong
with the connection comes out as Broken, once, with a sentence for the report.
"""

from __future__ import annotations

from mailkit import clock
from mailkit.net.conn import Closing, Gone, Timeout
from mailkit.smtp.reply import Malformed, Parser, Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from ssl import SSLContext

    from mailkit.net.connect import ClientConn
    from mailkit.smtp.client.hello import Features


class Limits:
    """Seconds that a server may take. command: to greet and to answer one. start: to answer DATA. block: to take a
    block of the message. end: to answer after its end. total: for all of one transaction."""

    __slots__ = ("block", "command", "end", "start", "total")

    def __init__(
        self, command: float = 300, start: float = 120, block: float = 180, end: float = 600, total: float
        = 3600
    ) -> None:
        self.command = command
        self.start = start
        self.block = block
        self.end = end
        self.total = total


class Broken(Exception):
    """The connection is of no use any more. `text` is a sentence for reports, `code` an enhanced status code."""

    def __init__(self, text: str, code: str = "4.4.2") -> None:
        super().__init__(text)
        self.text = text
        self.code = code


class Insecure(Broken):
    """The TLS handshake failed: no common ground, or a certificate that does not hold."""


class Refused(Exception):
    """The server does not want to talk to us: `reply`, and the `stage` at which it said so."""

    def __init__(self, stage: str, reply: Reply) -> None:
        super().__init__(f"{stage}: {reply.code} {reply.text}")
        self.stage = stage
        self.reply = reply


class Dialogue:
    """One connection to a server, as the client.

    trace: called with every line, "C: ..." and "S: ...", secrets left out. features: what EHLO offered.
    lmtp: RFC 2033. stage: the command whose answer is awaited, for reports. dirty: a transaction was
    begun and not ended. last_word: the text of a 421, which explains why the connection then closes. logged_in: AUTH
    has succeeded.
    """

    __slots__ = (
        "_parser",
        "_until",
        "conn",
        "dirty",
        "features",
        "last_word",
        "limits",
        "lmtp",
        "logged_in",
        "sent",
        "stage",
        "trace",
    )

    def __init__(
        self,
        conn: ClientConn,
        limits: Limits,
        *,
        lmtp: bool = False,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        self.conn = conn
        self.limits = limits
        self.lmtp = lmtp
        self.trace = trace
        self.features: Features | None = None
        self.stage = "connect"
        self.dirty = False
        self.last_word = ""
        self.logged_in = False
        self.sent = 0  # transactions that were begun
        self._parser = Parser()
        self._until = clock.monotonic() + limits.total

    @property
    def ahead(self) -> bool:
        """Has the server said what nobody asked for? Every answer would then be taken for that to another question."""
        return self._parser.pending()

    def renew(self) -> None:
        """Give the next transaction the whole of limits.total again."""
        self._until = clock.monotonic() + self.limits.total

    def send(self, *lines: str, shown: str = "") -> None:
        """Queue commands. `shown`: what the trace has in their place. ValueError for a line end inside: that would be
        two commands."""
        for line in lines:
            if "\r" in line or "\n" in line:
                raise ValueError("a command is one line")
            if self.trace is not None:
                self.trace("C: " + (shown or line))
        self.conn.write(("\r\n".join(lines) + "\r\n").encode("utf-8", "surrogateescape"))

    async def command(self, line: str, limit_s: float | None = None, shown: str = "") -> Reply:
        """Send one command and wait for its reply. Broken."""
        self.stage = (shown or line).partition(" ")[0]
        self.send(line, shown=shown)
        return await self.reply(limit_s)

    async def reply(self, limit_s: float | None = None) -> Reply:
        """The next reply, in `limit_s` seconds (a command's, if None). Unless it is here already, whatever is queued
        goes out first. Broken."""
        found = self._here()
        if found is None:
            until = self._limit(self.limits.command if limit_s is None else limit_s)
            await self._flush(until)
            while found is None:
                self._parser.feed(await self._more(until))
                found = self._here()
        if self.trace is not None:
            self._show(found)
        if found.code == 421:  # RFC 5321 3.8: it is about to close, whatever we asked
            self.last_word = f"{found.code} {found.text}"
        return found

    def _here(self) -> Reply | None:
        try:
            return self._parser.reply()
        except Malformed as error:
            raise Broken(f"the server's answer to {self.stage} is not SMTP: {error}", "4.5.0")

    async def flush(self, limit_s: float) -> None:
        """Everything queued is on its way, in `limit_s` seconds. Broken; but not when the server has only stopped
        listening: it may have said why, which `reply` will find."""
        await self._flush(self._limit(limit_s))

    async def _flush(self, until: float) -> None:
        self.conn.idle_s = self._left(until)
        try:
            await self.conn.flush()
        except Timeout:
            raise Broken(f"the server stopped reading during {self.stage}")
        except Gone:
            pass
        except Closing as error:
            raise self._closed(error)

    def write(self, data: bytes) -> None:
        """Queue octets of a message."""
        self.conn.write(data)

    async def starttls(self, server_name: str, context: SSLContext) -> None:
        """Shake hands. What the server said in the clear after its 220 is thrown away (RFC 3207 4.2). Insecure."""
        self._parser.clear()
        self.stage = "TLS handshake"
        self.conn.idle_s = self._left(self._limit(self.limits.command))
        try:
            await self.conn.starttls_client(server_name, context)
        except Closing as error:
            why = f": {error}" if str(error) else ""
            raise Insecure(f"the TLS handshake with the server failed{why}", "4.7.5")

    async def quit(self) -> None:
        """Say goodbye and close. The answer does not matter and is not waited for: RFC 5321 4.1.1.10 says SHOULD."""
        try:
            self.send("QUIT")
            await self.flush(min(5.0, self.limits.command))
        except Broken:
            pass
        self.close()

    def close(self) -> None:
        """Close without another word."""
        try:
            self.conn.close()
        except Closing:
            pass  # what was queued did not reach it: nobody waits for that

    async def _more(self, until: float) -> bytes:
        self.conn.idle_s = self._left(until)
        try:
            data = await self.conn.more()
        except Closing as error:
            raise self._closed(error)
        if not data:
            raise self._closed(Gone())
        return data

    def _limit(self, limit_s: float) -> float:
        """When a wait of `limit_s` has to be over."""
        return min(clock.monotonic() + limit_s, self._until)

    def _left(self, until: float) -> float:
        left = until - clock.monotonic()
        if left <= 0:
            raise Broken(f"the server took too long to answer {self.stage}")
        return left

    def _closed(self, why: Closing) -> Broken:
        if isinstance(why, Timeout):
            return Broken(f"the server took too long to answer {self.stage}")
        if self.last_word:
            return Broken(f"the server closed the connection: {self.last_word}")
        return Broken(f"the server closed the connection during {self.stage}")

    def _show(self, reply: Reply) -> None:
        assert self.trace is not None
        for number, line in enumerate(reply.lines, 1):
            mark = " " if number == len(reply.lines) else "-"
            status = f"{reply.status} " if reply.status else ""
            self.trace(f"S: {reply.code}{mark}{status}{line}")
