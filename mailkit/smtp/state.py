"""What a session knows: the state behind the commands, and nothing that a command does.

    not greeted -> greeted (HELO, EHLO, LHLO) -> transaction (MAIL) -> recipients (RCPT) -> message (DATA, BDAT)
                   -> greeted

`Session.transaction` is None outside of a transaction; RSET, a new EHLO, STARTTLS and the end of a message drop it.
"""

from __future__ import annotations

from mailkit.policy.facts import Facts
from mailkit.queue.entry import Recipient
from mailkit.smtp.wire import Receiver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.control import Home
    from mailkit.deliver.route import Verdict
    from mailkit.net.conn import Conn
    from mailkit.smtp.chunks import Chunks
    from mailkit.smtp.intake import Intake
    from mailkit.smtp.settings import Settings
    from mailkit.users.passwd import User


class Transaction:
    """One message from MAIL to its end.

    sender: reverse path as "local@domain", "" for the null sender.   params: of the queue entry's envelope.
    body: "7BIT", "8BITMIME" or "BINARYMIME".   utf8: SMTPUTF8 was asked for.   due: Unix seconds, None for now.
    recipients: those accepted; named: their addresses; asked: how many RCPT commands there were; verdict: which way
    the last one goes.
    intake: where the message goes, once DATA or BDAT has begun; chunks: of BDAT.
    """

    __slots__ = (
        "asked", "body", "chunks", "due", "intake", "named", "params", "recipients", "sender", "utf8", "verdict",
    )  # fmt: skip

    def __init__(self, sender: str) -> None:
        self.sender = sender
        self.params: dict[str, str] = {}
        self.body = "7BIT"
        self.utf8 = False
        self.due: float | None = None
        self.recipients: list[Recipient] = []
        self.verdict: Verdict | None = None
        self.named: set[str] = set()
        self.asked = 0
        self.intake: Intake | None = None
        self.chunks: Chunks | None = None

    def abort(self) -> None:
        """Remove what is stored of the message, and let go of it: it knows us, and circles stay in memory for long."""
        if self.intake is not None:
            self.intake.abort()
            self.intake = None
        if self.chunks is not None:
            self.chunks.close()
            self.chunks = None


class Session:
    """One connection.

    helo: the name after HELO, EHLO or LHLO, "" before.   extended: by EHLO or LHLO.   user: who logged in.
    refusals: replies 4xx and 5xx so far, for their ids.   errors: replies 5xx since a message was accepted; idle:
    commands that brought no message nearer since then.   messages: accepted.
    owned: sender addresses asked about, and whether they are the user's.
    ended: why the session is over, "" while it goes on.
    """

    __slots__ = (
        "conn",
        "ended",
        "errors",
        "extended",
        "facts",
        "helo",
        "home",
        "idle",
        "messages",
        "owned",
        "receiver",
        "refusals",
        "settings",
        "transaction",
        "user",
    )

    def __init__(self, conn: Conn, home: Home, settings: Settings) -> None:
        self.conn = conn
        self.home = home
        self.settings = settings
        self.facts = Facts(home, settings.service, conn.offload)
        self.helo = ""
        self.extended = False
        self.user: User | None = None
        self.transaction: Transaction | None = None
        self.refusals = self.errors = self.idle = self.messages = 0
        self.ended = ""
        self.owned: dict[str, bool] = {}
        self.receiver = Receiver(self.repair)
        self.meet()

    def meet(self) -> None:
        """Take over who the peer is from the connection: at the start, and when a front end told us."""
        facts, conn = self.facts, self.conn
        facts.id = conn.id
        facts.peer, facts.peer_port = conn.peer, conn.peer_port
        facts.tls = conn.tls
        # "local" is what mailkit-sendmail -bs serves to whoever started it; no socket can ask for it.
        facts.trusted = self.settings.service == "local" or conn.peer in self.settings.relayfrom

    @property
    def repair(self) -> bool:
        """Bare CR and LF of this peer are repaired (control/barefrom)."""
        return self.conn.peer in self.settings.barefrom

    def reset(self) -> None:
        """Drop the transaction (RFC 5321 4.1.1.5)."""
        if self.transaction is not None:
            self.transaction.abort()
            self.transaction = None
        self.facts.forget_message()

    def forget_client(self) -> None:
        """Everything the client said, HELO and login included: after STARTTLS (RFC 3207 4.2) and XCLIENT."""
        self.reset()
        self.user = None
        self.facts.account = ""
        self.owned.clear()
        self.helo = self.facts.helo = ""
        self.extended = self.facts.extended = False
