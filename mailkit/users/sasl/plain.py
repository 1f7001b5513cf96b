"""PLAIN (RFC 4616): [authorization identity] NUL name NUL password, in one message."""

from __future__ import annotations

from mailkit.users import sasl


class Plain:
    """One exchange."""

    __slots__ = ()

    def __init__(self, context: sasl.Context) -> None:
        pass

    def step(self, response: bytes | None) -> sasl.Step:
        """The message, after an empty challenge when it did not come with the command."""
        if response is None:
            return sasl.Challenge(b"")
        try:
            identity, name, password = response.decode().split("\0")
        except ValueError:
            return sasl.Failure("malformed message", is_syntax=True)
        if not name or not password:
            return sasl.Failure("no name or no password", name, is_syntax=True)
        if identity and not sasl.same_name(identity, name):
            return sasl.Failure("would act for somebody else", name)
        return sasl.Password(name, password)
