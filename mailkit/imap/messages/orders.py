"""Responses with message files, made by a mate (`maildir.mates`).

    order     messages 4, octets of the words 4, octets of each start 4*n, words with NUL between them: the items as a
              client asks for them, the directory, file names; then the starts: what each response begins with
    answer    responses as they are sent

The answer has the first messages of the order, as many as make a slice: up to the first that is not where it should
be, cannot be read, or is so large that it is sent in pieces.
"""

from __future__ import annotations

import os
from array import array
from itertools import accumulate
from struct import Struct

from mailkit.imap.messages import sections
from mailkit.imap.responses import No
from mailkit.imap.wire import Bad, items
from mailkit.imap.wire.reader import Reader
from mailkit.maildir import ahead

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.maildir.mates import Answer

RESPONSES = b"R"
"""How an order for them begins."""
MOST_OCTETS = 1 << 19
"""So much is asked for, and made, at once."""
_ORDER = Struct("=II")


def packed(wanted: list[items.Item], directory: str, names: list[bytes], starts: list[bytes]) -> bytes:
    """An order."""
    words = b"\0".join([items.source(wanted), os.fsencode(directory), *names])
    lengths = array("I", map(len, starts)).tobytes()
    return b"".join([RESPONSES, _ORDER.pack(len(names), len(words)), lengths, words, *starts])


def made(order: bytes) -> Answer:
    """The answer to an order, without its first octet."""
    messages, octets = _ORDER.unpack_from(order)
    words_at = _ORDER.size + 4 * messages
    starts_at = words_at + octets
    source, directory, *names = order[words_at:starts_at].split(b"\0")
    ends = list(accumulate(array("I", order[_ORDER.size : words_at]), initial=starts_at))
    try:
        wanted = items.read(Reader(source))
    except Bad:
        return 0, []  # it has a name of a field that was a literal, for no other string can hold it
    parts: list[bytes] = []
    room = MOST_OCTETS
    done = 0
    for place, message in sections.messages(ahead.named(directory, names)):
        if isinstance(message, OSError) or message.streams(wanted):
            break
        try:
            response = sections.response(order[ends[place] : ends[place + 1]], message, wanted)
        except (OSError, No):
            break
        done += 1
        parts += response
        room -= sum(map(len, response))
        if room <= 0:
            break
    return done, parts
