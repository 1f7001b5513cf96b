"""LOGIN (draft-murchison-sasl-login): name and password in two messages. Obsolete, and all some clients speak."""

from __future__ import annotations

from mailkit.users import sasl


class Login:
    """One exchange."""

    __slots__ = ("_name",)

    def __init__(self, context: sasl.Context) -> None:
        self._name: str | None = None

    def step(self, response: bytes | None) -> sasl.Step:
        """The name (which some clients send as initial response), then the password."""
        if response is None:
            return sasl.Challenge(b"Username:")
        try:
            text = response.decode()
        except UnicodeDecodeError:
            return sasl.Failure("not UTF-8", self._name or "", is_syntax=True)
        if not text or "\0" in text:
            return sasl.Failure("no name or no password", self._name or "", is_syntax=True)
        if self._name is None:
            self._name = text
            return sasl.Challenge(b"Password:")
        return sasl.Password(self._name, text)
