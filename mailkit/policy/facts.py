"""All that is known of a session so far: what a check is given."""

from __future__ import annotations

from mailkit.policy.verdict import JUNK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mailkit.control import Home
    from mailkit.net.conn import Tls
    from mailkit.policy.message import Held
    from mailkit.policy.verdict import Verdict



class Facts:
    """One session as checks see it. Texts are "" until they are known.

    service: "mx", "submission", "submissions", "lmtp".   id: the c= of the log.
    peer, peer_port: address as text, "" for a pipe.
    peer_name: verified reverse name, "" when there is none; filled in by fcrdns.
    helo: as the client said it.   extended: by EHLO.   tls: facts of the handshake, None in the clear.
    account: address of the user who logged in.   trusted: the peer is in control/relayfrom.
    spoke_early: octets came before the greeting.
    sender: address, "" for the null sender; params: of MAIL.   recipient: the one judged now; remote: it is
    not ours.   recipients: those accepted so far.   size: octets declared, then received.   message: at `data`.
    marks: verdicts junk and header by moment; those of connect and helo hold for every message of the session.
    state: what checks keep from one moment to the next; `closers` are called when the session ends.
    deadline: by clock.monotonic(), the time by which the checks of this moment have to be through.
    notes: (moment, check, verdict) of everything asked, for --explain; None in a real session.
    """

    __slots__ = (
        "account",
        "closers",
        "deadline",
        "extended",
        "helo",
        "home",
        "id",
        "marks",
        "message",
        "notes",
        "offload",
        "params",
        "peer",
        "peer_name",
        "peer_port",
        "recipient",
        "recipients",
        "remote",
        "sender",
        "service",
        "size",
        "spoke_early",
        "state",
        "tls",
        "trusted",
    )

    def __init__(self, home: Home, service: str, offload: Callable[..., Awaitable[object]]) -> None:
        self.home = home
        self.service = service
        self.offload = offload
        self.id = ""
        self.peer = self.helo = self.account = self.peer_name = ""
        self.peer_port = 0
        self.tls: Tls | None = None
        self.extended = self.trusted = self.spoke_early = False
        self.state: dict[str, object] = {}
        self.closers: list[Callable[[], None]] = []
        self.deadline = 0.0
        self.marks: dict[str, list[Verdict]] = {}
        self.notes: list[tuple[str, str, Verdict | None]] | None = None
        self.forget_message()

    def forget_message(self) -> None:
        """A new transaction begins, or the old one was given up."""
        self.sender = self.recipient = ""
        self.params: dict[str, str] = {}
        self.recipients: list[str] = []
        self.remote = False
        self.size = 0
        self.message: Held | None = None
        if self.marks:
            for moment in ("mail", "rcpt", "data"):
                self.marks.pop(moment, None)

    @property
    def fields(self) -> list[str]:
        """Header fields "Name: value" that checks want on top, none twice."""
        return list(dict.fromkeys(mark.field for marks in self.marks.values() for mark in marks if mark.field))

    @property
    def junk(self) -> str:
        """Why the message is junk, "" when it is not."""
        found = (f"{mark.by}: {mark.text}" for marks in self.marks.values() for mark in marks if mark.kind == JUNK)
        return next(found, "")

    @property
    def stranger(self) -> bool:
        """A mail server we know nothing of: not logged in, not trusted, not the mail server in front of us."""
        return self.service == "mx" and not self.account and not self.trusted

    def close(self) -> None:
        """The session ends: let checks close what they opened."""
        while self.closers:
            self.closers.pop()()
