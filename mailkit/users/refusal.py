"""Not logged in: why, in the words of each protocol."""

from __future__ import annotations

# kind: reply of SMTP (RFC 4954 6), IMAP response code (RFC 5530), POP3 response code (RFC 3206), text
_REFUSALS = {
    "failed": ("535 5.7.8", "AUTHENTICATIONFAILED", "AUTH", "Name or password is not right"),
    "blocked": ("454 4.7.0", "UNAVAILABLE", "SYS/TEMP", "Too many failed logins, try again later"),
    "temp": ("454 4.7.0", "UNAVAILABLE", "SYS/TEMP", "Logging in is not possible now, try again later"),
    "cancelled": ("501 5.7.0", "", "AUTH", "Cancelled"),
    "syntax": ("501 5.5.2", "CLIENTBUG", "AUTH", "That response makes no sense"),
    "mechanism": ("504 5.5.4", "CANNOT", "AUTH", "That mechanism is not offered here"),
    "clear": ("538 5.7.11", "PRIVACYREQUIRED", "AUTH", "Logging in needs TLS"),
}


class Refused(Exception):
    """Not logged in. kind: failed, blocked, temp, cancelled, syntax, mechanism or clear.

    smtp: reply and enhanced code, "535 5.7.8".   imap: response code without brackets, may be "".   pop3: the same.
    text: a sentence for the peer.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.smtp, self.imap, self.pop3, self.text = _REFUSALS[kind]
        super().__init__(self.text)
