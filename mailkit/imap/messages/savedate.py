"""SAVEDATE (RFC 8514): when a message was put into the folder it is in.

It is the time in front of its file name. Whoever stores a message in a Maildir gives it such a name, we and others, for
deliveries, APPEND, COPY and MOVE alike; and unlike the ctime of the file it stays when flags change, when a backup
is played back, and when the index is lost. A name without a time has that of INTERNALDATE, which stays as well.
"""

from __future__ import annotations

import os

from mailkit.mail import date
from mailkit.maildir import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.maildir.folder import Folder
    from mailkit.maildir.table import Table


def seconds(folder: Folder, table: Table, row: int) -> int | None:
    """Seconds since 1970; None for a message that tells nothing: its file is gone too."""
    named = names.received(os.fsdecode(table.detail.base(row)))
    if named:
        return named
    try:
        return folder.received(table.uids[row])
    except OSError:
        return None


def text(folder: Folder, table: Table, row: int) -> bytes:
    """`"17-Jul-1996 02:44:25 +0000"` or NIL."""
    found = seconds(folder, table, row)
    return b"NIL" if found is None else b'"%b"' % date.internal(found).encode("ascii")
