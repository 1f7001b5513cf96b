"""What we can do, as CAPABILITY says it (RFC 9051 section 7.2.2). Advertised is only what transcripts prove.

`mailkit-imapd(8)` has the same list with the RFC and the transcript of each; a test holds the two together.
"""

from __future__ import annotations

from mailkit.imap import limits
from mailkit.imap.commands import NOT_AUTHENTICATED
from mailkit.users import login

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.session import Session

ALWAYS = ("IMAP4rev1", "IMAP4rev2", "SASL-IR", "ID", "ENABLE", "LANGUAGE")
LOGGED_IN = (
    "ACL", "BINARY", "CATENATE", "CHILDREN", "COMPRESS=DEFLATE", "CONDSTORE", "CONTEXT=SEARCH", "CONTEXT=SORT",
    "CREATE-SPECIAL-USE",
    "ESEARCH", "ESORT", "FILTERS",
    "I18NLEVEL=1", "IDLE", "INPROGRESS",
    "LIST-EXTENDED", "LIST-METADATA", "LIST-MYRIGHTS", "LIST-STATUS", "LITERAL+",
    "METADATA", "MOVE", "MULTIAPPEND", "MULTISEARCH",
    "NAMESPACE", "NOTIFY",
    "OBJECTID",
    "PARTIAL", "PREVIEW",
    "QRESYNC", "QUOTA", "QUOTA=RES-MAILBOX", "QUOTA=RES-MESSAGE", "QUOTA=RES-STORAGE",
    "REPLACE", "RIGHTS=kxte",
    "SAVEDATE", "SEARCH=FUZZY", "SEARCHRES", "SORT", "SORT=DISPLAY", "SPECIAL-USE", "STATUS=SIZE",
    "THREAD=ORDEREDSUBJECT", "THREAD=REFERENCES", "THREAD=REFS",
    "UIDBATCHES", "UIDONLY", "UIDPLUS", "UNAUTHENTICATE", "UNSELECT",
    "URL-PARTIAL", "URLAUTH", "URLAUTH=BINARY", "UTF8=ACCEPT",
    "WITHIN",
)  # fmt: skip
ENABLED = {word.upper(): word for word in ("CONDSTORE", "IMAP4rev2", "QRESYNC", "UIDONLY", "UTF8=ACCEPT")}
"""What ENABLE takes, as it is answered (RFC 5161, RFC 6855, RFC 7162, RFC 9586, RFC 9051 section 6.3.1)."""


def line(state: Session) -> bytes:
    """The capabilities of this moment, with blanks between."""
    words = list(ALWAYS)
    if state.state == NOT_AUTHENTICATED:
        words += before_login(state)
    else:
        words += [word for word in LOGGED_IN if not (state.bound and word == "UNAUTHENTICATE")]
        words += [f"APPENDLIMIT={append_limit(state)}", *limits.capabilities(state)]
    return " ".join(words).encode("ascii")


def before_login(state: Session) -> list[str]:
    """How to log in here and now: mechanisms, STARTTLS, LOGINDISABLED (RFC 9051 section 6.2).

    LITERAL- until the login, LITERAL+ from then on (RFC 7888 section 5: never both): to strangers we promise no more
    than the 4096 octets that a command of theirs may have in literals; a user's APPEND need not wait for us.
    """
    words = ["LITERAL-", *(f"AUTH={name}" for name in login.mechanisms(state.conn, state.home))]
    if state.conn.can_starttls:
        words.append("STARTTLS")
    if not login.plain_allowed(state.conn, state.home):
        words.append("LOGINDISABLED")
    return [*words, "LOGIN-REFERRALS"]


def append_limit(state: Session) -> int:
    """Octets of the largest message APPEND takes (RFC 7889)."""
    return state.home.control.octets("appendlimit")
