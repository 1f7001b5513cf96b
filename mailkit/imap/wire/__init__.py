"""IMAP as octets on the wire (RFC 9051 section 9), without input or output.

`engine`  cuts the stream into commands, literals and uploads.
`reader`  reads arguments out of one command: atoms, strings, lists, flags, mailbox names, dates.
`sets`    sequence sets, `*` and `$` included; `pages` which of many results.
`scopes`  the mailboxes of an ESEARCH.
`urls`    URLs of messages.
`items`   what FETCH is asked for; `keys` what SEARCH is asked for.

A command that breaks the grammar raises `Bad`, whose text is for the peer.
"""

from __future__ import annotations


class Bad(Exception):
    """The peer broke the grammar, or asked for what the state does not allow; str() is the text of the BAD, `code` its
    response code."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code
