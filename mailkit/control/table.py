"""The table of control values: every name, what it means and who reads it.

One value = one row here and one entry in mailkit-control(5); a test holds the two together. `mailkit-showctl`
prints the table.
"""

from __future__ import annotations


class Value:
    """One row. kind: text, number, flag, seconds, octets or list. safe: a bad file may be answered with the default
    (and a log line) because that opens nothing; otherwise the program that asks refuses to work."""

    __slots__ = ("default", "kind", "meaning", "name", "safe", "users")

    def __init__(self, name: str, kind: str, default: str, meaning: str, users: str, safe: bool = True) -> None:
        self.name = name
        self.kind = kind
        self.default = default
        self.meaning = meaning
        self.users = users
        self.safe = safe


ROWS = (
    # Who we are
    Value("me", "text", "localhost", "this host's full name, as in greetings, HELO and Received", "all"),
    Value("domains", "list", "", "domains whose mail is delivered here", "smtpd runq local adduser"),
    # Serving
    Value("listen", "list", "", "sockets that mailkit-up opens: NAME ADDRESS PORT a line", "up", safe=False),
    Value("workers", "number", "0", "processes per listening server; 0 means one per processor", "smtpd imapd pop3d"),
    Value("maxconn", "number", "1000", "connections one worker serves at once", "smtpd imapd pop3d"),
    Value("maxperip", "number", "50", "connections one address may have open in a worker; 0 means no limit",
          "smtpd imapd pop3d"),
    Value("stopgrace", "seconds", "30", "time that open sessions get to finish after SIGTERM",
          "smtpd imapd pop3d runq"),
    Value("pollseconds", "seconds", "30", "how often to look at directories that inotify may not see",
          "imapd runq"),
)  # fmt: skip

TABLE = {row.name: row for row in ROWS}
