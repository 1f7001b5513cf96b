"""What a session sees of its connection, whichever driver runs it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol, TypeVar

    R = TypeVar("R")

    class Tls(Protocol):
        """The facts of a finished handshake."""

        version: str  # "TLSv1.3"
        cipher: str  # "TLS_AES_256_GCM_SHA384"
        sni: str  # the name the client asked for, "" when none
        client_cert: bytes | None  # DER
        server_cert: bytes | None  # DER, where we are the client; not necessarily verified

        def binding(self, kind: str) -> bytes | None:
            """Channel binding data of RFC 5929 / RFC 9266 ("tls-exporter", "tls-server-end-point"), None when the
            TLS library cannot give it."""

    class Fact(Protocol):
        """What a session rests on."""

        path: str  # the file that tells

        def __call__(self) -> bool:
            """Is it still so? Reads the file; raises nothing."""

    class Watch(Protocol):
        """Directories under watch for one session."""

        def close(self) -> None:
            """Stop watching."""

    class Conn(Protocol):
        """One connection. Octets in by `more`, out by `write` and `flush`."""

        id: str  # short, unique per process and time: the c= of the log
        service: str  # "mx", "imaps"
        peer: str  # IP address as text, "" when there is none (a pipe)
        peer_port: int
        local: str
        local_port: int
        idle_s: float  # how long one `more` may wait
        outcome: dict[str, object]  # what the session has to say in the log line of its end

        @property
        def tls(self) -> Tls | None:
            """The facts of the handshake; None in the clear."""

        @property
        def can_starttls(self) -> bool:
            """There is a certificate and no TLS yet."""

        async def more(self, wake: bool = False) -> bytes | None:
            """Flush, then the next octets as they came, b"" at the end. None only with `wake`: a watch fired.
            Timeout, Stopping, Gone."""

        def write(self, data: bytes) -> None:
            """Queue octets for the peer."""

        async def flush(self) -> None:
            """Everything queued is on its way; waits for a slow peer. Timeout, Gone."""

        async def starttls(self) -> None:
            """Flush, forget every octet that came in the clear (RFC 3207 4.2), shake hands as the server. Gone."""

        async def offload(self, function: Callable[..., R], *args: Any) -> R:
            """The result of blocking work, done where it holds up nobody else."""

        async def alongside(self, function: Callable[..., R], *args: Any) -> R:
            """`flush` and `offload` at once: what is queued is on its way while the work is done. Errors of both."""

        async def pause(self, seconds: float) -> None:
            """Let time pass; with 0 only let others have their turn. Stopping ends it early."""

        def watch(self, directories: list[str]) -> Watch:
            """Wake `more(wake=True)` whenever a name in one of `directories` changes."""

        def tie(self, fact: Fact) -> None:
            """From now on the session lasts only while `fact` is true: a few seconds after the file it is read from
            says otherwise, the present wait ends with Dismissed, or the next. Temp. Before it this process must be
            able to read that file; afterwards it need not."""

        def untie(self) -> None:
            """That fact does not matter any more."""

        @property
        def alone(self) -> bool:
            """This process serves no other connection."""

        async def hand_over(self, words: dict[str, str], rest: bytes) -> None:
            """Let a process that serves nobody else take the session from here (net.steward), and pass octets till
            its end. words: what it must be told. rest: what was taken by `more` and is for it. Elsewhere when the
            session is over; Temp when it did not begin, and goes on here."""


class Closing(Exception):
    """The session has to end; what to say to the peer, if anything, depends on why."""


class Timeout(Closing):
    """The peer was silent too long, or the session has lasted its full time: say so and close."""


class Stopping(Closing):
    """The server is ending: say so and close."""


class Dismissed(Closing):
    """The fact that the session rests on is none any more: say so and close."""


class Gone(Closing):
    """The peer is no longer there: there is nobody to say anything to."""


class Elsewhere(Closing):
    """The session went on in another process, and is over there: nothing is left to say."""
