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
    """sender: "" for the null sender. recipient, params: as in the queue entry it comes from, if any."""

    __slots__ = ("home", "message", "params", "recipient", "sender", "verdict")

    def __init__(
        self,
        home: Home,
        verdict: Verdict,
        sender: str,
        message: Message,
        recipient: Recipient | None = None,
        params: dict[str, str] | None = None,
    ) -> None:
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
    def lines(self) -> bytes:
        """The header lines of final delivery (RFC 5321 4.4)."""
        text = f"Return-Path: <{self.sender}>\nDelivered-To: {self.verdict.address}\n"
        return text.encode("utf-8", "surrogateescape")
