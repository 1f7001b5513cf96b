"""The table of IMAP commands: name, states it may be given in, what may be told after it, where its code is.

A new command is one file here and one row. The code is imported when the command is first given, so that a program
that serves one connection loads what that connection uses; `preload` is for programs that serve many.

A command is `async def command(state: Session, reader: Reader) -> str | None`. It reads its arguments, writes its
untagged responses, and returns the text of its OK, response code included, or None for "NAME completed". It
refuses by raising Bad, No, Temp or Perm.
"""

from __future__ import annotations

from mailkit.imap.wire import Bad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from mailkit.imap.session import Session
    from mailkit.imap.wire.reader import Reader

    Function = Callable[[Session, Reader], Coroutine[Any, Any, str | None]]

NOT_AUTHENTICATED, AUTHENTICATED, SELECTED, LOGOUT = 1, 2, 4, 8
LOGGED_IN = AUTHENTICATED | SELECTED
ANY = NOT_AUTHENTICATED | LOGGED_IN

NOTHING, NO_EXPUNGE, ALL, OWN = 0, 1, 2, 3
"""What of the selected folder is told at the end of a command (RFC 9051 section 7.5.1). OWN is ALL of a command that
removes messages: of these the client hears even if NOTIFY follows none."""


class Row:
    """One command."""

    __slots__ = ("_function", "place", "states", "tells")

    def __init__(self, states: int, tells: int, place: str) -> None:
        self.states = states
        self.tells = tells
        self.place = place
        self._function: Function | None = None

    def function(self) -> Function:
        """The code, imported when it is first wanted."""
        if self._function is None:
            module, _, name = self.place.partition(":")
            full = f"mailkit.imap.commands.{module}"
            self._function = getattr(__import__(full, fromlist=[name]), name)
        return self._function


TABLE = {
    "CAPABILITY": Row(ANY, ALL, "capability:capability"),
    "NOOP": Row(ANY, ALL, "noop:noop"),
    "LOGOUT": Row(ANY, NOTHING, "logout:logout"),
    "ID": Row(ANY, ALL, "id:identify"),
    "LANGUAGE": Row(ANY, ALL, "language:language"),
    "STARTTLS": Row(NOT_AUTHENTICATED, NOTHING, "starttls:starttls"),
    "AUTHENTICATE": Row(NOT_AUTHENTICATED, NOTHING, "authenticate:authenticate"),
    "LOGIN": Row(NOT_AUTHENTICATED, NOTHING, "login:login"),
    "ENABLE": Row(LOGGED_IN, ALL, "enable:enable"),
    "SELECT": Row(LOGGED_IN, NOTHING, "select:select"),
    "EXAMINE": Row(LOGGED_IN, NOTHING, "select:examine"),
    "CREATE": Row(LOGGED_IN, ALL, "create:create"),
    "DELETE": Row(LOGGED_IN, ALL, "delete:delete"),
    "RENAME": Row(LOGGED_IN, ALL, "rename:rename"),
    "SUBSCRIBE": Row(LOGGED_IN, ALL, "subscribe:subscribe"),
    "UNSUBSCRIBE": Row(LOGGED_IN, ALL, "subscribe:unsubscribe"),
    "LIST": Row(LOGGED_IN, ALL, "list:list_"),
    "LSUB": Row(LOGGED_IN, ALL, "list:lsub"),
    "NAMESPACE": Row(LOGGED_IN, ALL, "namespace:namespace"),
    "GETQUOTA": Row(LOGGED_IN, ALL, "quota:getquota"),
    "GETQUOTAROOT": Row(LOGGED_IN, ALL, "quota:getquotaroot"),
    "STATUS": Row(LOGGED_IN, ALL, "status:status"),
    "GETACL": Row(LOGGED_IN, ALL, "acl:getacl"),
    "SETACL": Row(LOGGED_IN, ALL, "acl:setacl"),
    "DELETEACL": Row(LOGGED_IN, ALL, "acl:deleteacl"),
    "LISTRIGHTS": Row(LOGGED_IN, ALL, "acl:listrights"),
    "MYRIGHTS": Row(LOGGED_IN, ALL, "acl:myrights"),
    "GETMETADATA": Row(LOGGED_IN, ALL, "metadata:getmetadata"),
    "SETMETADATA": Row(LOGGED_IN, ALL, "metadata:setmetadata"),
    "APPEND": Row(LOGGED_IN, ALL, "append:append"),
    "CANCELUPDATE": Row(SELECTED, ALL, "cancelupdate:cancelupdate"),
    "ESEARCH": Row(LOGGED_IN, ALL, "esearch:esearch"),
    "GENURLAUTH": Row(LOGGED_IN, ALL, "genurlauth:genurlauth"),
    "RESETKEY": Row(LOGGED_IN, ALL, "resetkey:resetkey"),
    "URLFETCH": Row(LOGGED_IN, ALL, "urlfetch:urlfetch"),
    "REPLACE": Row(SELECTED, OWN, "replace:replace"),
    "UID REPLACE": Row(SELECTED, OWN, "replace:uid_replace"),
    "UNAUTHENTICATE": Row(LOGGED_IN, NOTHING, "unauthenticate:unauthenticate"),
    "COMPRESS": Row(LOGGED_IN, ALL, "compress:compress"),
    "NOTIFY": Row(LOGGED_IN, ALL, "notify:notify"),
    "IDLE": Row(LOGGED_IN, ALL, "idle:idle"),
    "CHECK": Row(SELECTED, ALL, "noop:check"),
    "CLOSE": Row(SELECTED, NOTHING, "close:close"),
    "UNSELECT": Row(SELECTED, NOTHING, "close:unselect"),
    "EXPUNGE": Row(SELECTED, OWN, "expunge:expunge"),
    "UID EXPUNGE": Row(SELECTED, OWN, "expunge:uid_expunge"),
    "SEARCH": Row(SELECTED, NO_EXPUNGE, "search:search"),
    "UID SEARCH": Row(SELECTED, ALL, "search:uid_search"),
    "SORT": Row(SELECTED, NO_EXPUNGE, "sort:sort"),
    "UID SORT": Row(SELECTED, ALL, "sort:uid_sort"),
    "THREAD": Row(SELECTED, NO_EXPUNGE, "thread:thread"),
    "UID THREAD": Row(SELECTED, ALL, "thread:uid_thread"),
    "FETCH": Row(SELECTED, NO_EXPUNGE, "fetch:fetch"),
    "UID FETCH": Row(SELECTED, ALL, "fetch:uid_fetch"),
    "STORE": Row(SELECTED, NO_EXPUNGE, "store:store"),
    "UID STORE": Row(SELECTED, ALL, "store:uid_store"),
    "COPY": Row(SELECTED, ALL, "copy:copy"),
    "UID COPY": Row(SELECTED, ALL, "copy:uid_copy"),
    "MOVE": Row(SELECTED, OWN, "move:move"),
    "UIDBATCHES": Row(SELECTED, ALL, "uidbatches:uidbatches"),
    "UID MOVE": Row(SELECTED, OWN, "move:uid_move"),
}  # fmt: skip


def find(name: str, state: int) -> Row:
    """The row of a command. Bad: there is none, or not now."""
    row = TABLE.get(name)
    if row is None:
        raise Bad("Unknown command")
    if not row.states & state:
        if state == NOT_AUTHENTICATED:
            raise Bad(f"{name} needs a login")
        raise Bad(f"{name} needs a selected mailbox" if row.states == SELECTED else f"{name} comes before the login")
    return row


LATER = (
    "mailkit.deliver.quota", "mailkit.fulltext.draft", "mailkit.fulltext.rating", "mailkit.fulltext.store",
    "mailkit.fulltext.words", "mailkit.imap.deflate", "mailkit.imap.folders.forest", "mailkit.imap.messages.catenate",
    "mailkit.imap.searching.contexts", "mailkit.imap.searching.filling", "mailkit.imap.searching.fuzzy",
    "mailkit.imap.searching.ordering", "mailkit.languages.de", "mailkit.languages.fr",
    "mailkit.mail.binary", "mailkit.maildir.transfer", "mailkit.maildir.tree",
)  # fmt: skip
"""What commands import when they need it: a test finds what is missing here."""


def preload() -> None:
    """Import every command, and all that sessions import later."""
    from mailkit.users import identity

    for row in TABLE.values():
        row.function()
    identity.preload(LATER)
