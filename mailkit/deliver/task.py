"""One delivery to one address of ours: everything that the ways of delivering need to know."""

from __future__ import annotations

import os

from mailkit.control import Home
from mailkit.deliver.message import Message
from mailkit.deliver.route import Verdict
from mailkit.users import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.queue.entry import Recipient


class Task:
    """sender: "" for the null sender. recipient, params: as in the queue entry it comes from, if any.

    folder: of the user's Maildir, if there is one of that name; "" leaves it to the extension.
    """

    __slots__ = ("folder", "home", "message", "params", "recipient", "sender", "verdict")

    def __init__(
        self,
        home: Home,
        verdict: Verdict,
        sender: str,
        message: Message,
        recipient: Recipient | None = None,
        params: dict[str, str] | None = None,
        folder: str = "",
    ) -> None:
        self.folder = folder
        self.home = home
        self.verdict = verdict
        self.sender = sender
        self.message = message
        self.recipient = recipient
        self.params = {} if params is None else params

    @property
    def directory(self) -> str:
        """Where paths and programs start from: the user's home, or the domain's directory."""
        if self.verdict.user is not None:
            return self.verdict.user.directory
        return os.path.join(self.home.domains, names.directory(self.verdict.domain))

    @property
    def confined(self) -> bool:
        """Must files be inside `directory`? Users who share one system user would otherwise reach each other's."""
        return self.verdict.user is None or self.verdict.user.uid is None

    @property
    def just_expanded(self) -> bool:
        """Has an alias of just this address sent it here? It has looked for loops, and left its Delivered-To line."""
        params = self.recipient.params if self.recipient is not None else {}
        return "expanded" in params and params.get("via", "").rpartition(",")[2] == self.verdict.address

    @property
    def lines(self) -> bytes:
        """The header lines of final delivery (RFC 5321 4.4)."""
        return f"Return-Path: <{self.sender}>\n".encode("utf-8", "surrogateescape") + self.delivered_to

    @property
    def delivered_to(self) -> bytes:
        """The line by which a message that comes back is known."""
        return f"Delivered-To: {self.verdict.address}\n".encode("utf-8", "surrogateescape")
