"""Lists of addresses in From, To and their like (RFC 5322 3.4 and 4.4): read whatever people's programs write.

An entry is the four fields of an address in an IMAP ENVELOPE (RFC 9051 7.5.2): (name, route, local, domain), octets
without quotes, encoded words as they stand, or None. A group begins with (None, None, its name, None) and ends with
(None, None, None, None). What is no address at all has an empty local part or domain, never None.
"""

from __future__ import annotations

from mailkit.mail import address, charset, word

Entry = tuple["bytes | None", "bytes | None", "bytes | None", "bytes | None"]

GROUP_END: Entry = (None, None, None, None)
# With none of these outside of quotes, a list is split at its commas ...
_INTRICATE = b'"(\\:;['
# ... after the commas and the like inside quotes have been hidden behind controls, if there were none before.
_HIDDEN = b",<>@ \t"
_COVERS = bytes(range(1, 7))
_HIDE = bytes.maketrans(_HIDDEN, _COVERS)
_SHOW = bytes.maketrans(_COVERS, _HIDDEN)
_SPECIAL = b'"()\\<>@,;:[]'
_BLANKS = b" \t\r\n"
# Kinds of tokens: a special octet is itself, a comment its parenthesis, an atom or domain literal none.
_ATOM = 0
_QUOTED, _COMMENT, _LITERAL, _BACKSLASH = b'"([\\'
_LESS, _GREATER, _AT, _COMMA, _COLON, _SEMICOLON, _CLOSE = b"<>@,:;)"
# Every octet that ends an atom becomes a blank, so that its end is found in one step. Dots stay in the atom.
_ATOM_ENDS = bytes(32 if octet in _SPECIAL + _BLANKS else octet for octet in range(256))
_PHRASE = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~ ")


def entries(value: bytes) -> list[Entry]:
    """The entries of an unfolded field value; never fails."""
    if len(value.translate(None, _INTRICATE)) == len(value):
        return _simple(value)
    pieces = value.split(b'"')
    outside = b"".join(pieces[::2])
    if (
        len(pieces) % 2
        and b"\\" not in value
        and len(outside.translate(None, _INTRICATE)) == len(outside)
        and len(value.translate(None, _COVERS)) == len(value)
    ):
        pieces[1::2] = [quoted.translate(_HIDE) for quoted in pieces[1::2]]
        return [
            (name and name.translate(_SHOW), None, local.translate(_SHOW), domain.translate(_SHOW))
            for name, _, local, domain in _simple(b" ".join(pieces))
            if local is not None and domain is not None
        ]
    reader = _Reader()
    for kind, text in _tokens(value):
        reader.take(kind, text)
    reader.end_entry()
    reader.end_group()
    return reader.found


def _simple(value: bytes) -> list[Entry]:
    """A list of `Name <local@domain>` and `local@domain` without quotes, comments, routes and groups."""
    found: list[Entry] = []
    for item in value.split(b","):
        name, bracket, spec = item.partition(b"<")
        if bracket:
            local, _, domain = _parted(b"".join(spec.partition(b">")[0].split()))
            found.append((b" ".join(name.split()) or None, None, local, domain))
        elif words := item.split():
            found.append(_bare(words))
    return found


def _bare(words: list[bytes]) -> Entry:
    """An entry without angle brackets: an address, or else only a name."""
    if len(words) == 1:
        local, _, domain = _parted(words[0])
        return None, None, local, domain
    joined = b" ".join(words)
    if b"@" in joined:
        local, _, domain = _parted(b"".join(words))
        return None, None, local, domain
    return joined or None, None, b"", b""


def _parted(spec: bytes) -> tuple[bytes, bytes, bytes]:
    local, at, domain = spec.rpartition(b"@")
    return (local, at, domain) if at else (spec, b"", b"")


def _tokens(value: bytes) -> list[tuple[int, bytes]]:
    """(kind, octets) of each word and special; quotes, parentheses and escapes are gone."""
    flat = value.translate(_ATOM_ENDS) + b" "
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(value):
        octet = value[at]
        if octet in _BLANKS:
            at += 1
        elif octet == _QUOTED:
            text, at = _quoted(value, at)
            found.append((_QUOTED, text))
        elif octet == _COMMENT:
            text, at = _comment(value, at)
            found.append((_COMMENT, text))
        elif octet == _LITERAL:
            end = value.find(b"]", at)
            end = len(value) if end < 0 else end + 1
            found.append((_ATOM, value[at:end]))
            at = end
        elif octet in _SPECIAL:
            found.append((octet, value[at : at + 1]))
            at += 1
        else:
            end = flat.find(b" ", at)
            found.append((_ATOM, value[at:end]))
            at = end
    return found


def _quoted(value: bytes, at: int) -> tuple[bytes, int]:
    """(text, offset past the closing quote) of the quoted string at `at`; the end of the value closes too."""
    end = value.find(b'"', at + 1)
    end = len(value) if end < 0 else end
    if value.find(b"\\", at + 1, end) < 0:
        return value[at + 1 : end], end + 1
    text = bytearray()
    at += 1
    while at < len(value) and value[at] != _QUOTED:
        at += value[at] == _BACKSLASH
        text += value[at : at + 1]
        at += 1
    return bytes(text), at + 1


def _comment(value: bytes, at: int) -> tuple[bytes, int]:
    """(text, offset past it) of the comment at `at`, comments inside included."""
    end = value.find(b")", at + 1)
    end = len(value) if end < 0 else end
    if value.find(b"(", at + 1, end) < 0 and value.find(b"\\", at + 1, end) < 0:
        return value[at + 1 : end], end + 1
    text = bytearray()
    depth = 0
    while at < len(value):
        octet = value[at]
        depth += (octet == _COMMENT) - (octet == _CLOSE)
        if depth == 0:
            break
        at += octet == _BACKSLASH
        text += value[at : at + 1]
        at += 1
    return bytes(text[1:]), at + 1


class _Reader:
    """Collects tokens into entries.

    words    tokens since the last comma or bracket: a phrase, or an address where no bracket comes
    phrase   the name before an angle bracket; None outside of brackets
    route    the source route inside the brackets (RFC 5322 4.4), which only ENVELOPE shows
    """

    def __init__(self) -> None:
        self.found: list[Entry] = []
        self._words: list[tuple[int, bytes]] = []
        self._phrase: bytes | None = None
        self._route: bytes | None = None
        self._comment = b""
        self._in_group = False

    def take(self, kind: int, text: bytes) -> None:
        in_route = self._phrase is not None and bool(self._words) and self._words[0][0] == _AT
        if kind == _COMMA and not in_route:
            self.end_entry()
        elif kind == _LESS:
            self._phrase = b" ".join(text for _, text in self._words)
            self._words = []
        elif kind == _GREATER:
            self.end_entry()
        elif kind == _COLON:
            self._colon()
        elif kind == _SEMICOLON:
            self.end_entry()
            self.end_group()
        elif kind == _COMMENT:
            self._comment = text
        else:
            self._words.append((kind, text))

    def _colon(self) -> None:
        if self._phrase is not None:  # the end of a source route
            self._route = b"".join(text for _, text in self._words) or None
            self._words = []
            return
        self.end_group()
        self.found.append((None, None, b" ".join(text for _, text in self._words), None))
        self._words = []
        self._in_group = True

    def end_group(self) -> None:
        if self._in_group:
            self.found.append(GROUP_END)
            self._in_group = False

    def end_entry(self) -> None:
        words, phrase, route, remark = self._words, self._phrase, self._route, self._comment.strip()
        self._words, self._phrase, self._route, self._comment = [], None, None, b""
        if not words and phrase is None:
            return
        if phrase is None and not any(kind == _AT for kind, _ in words) and len(words) > 1:
            self.found.append((b" ".join(text for _, text in words), None, b"", b""))
            return
        local, domain = _spec(words)
        self.found.append((phrase or remark or None, route, local, domain))


def _spec(words: list[tuple[int, bytes]]) -> tuple[bytes, bytes]:
    """(local, domain), parted at the last at sign that is not quoted."""
    last = max((at for at, (kind, _) in enumerate(words) if kind == _AT), default=len(words))
    return b"".join(text for _, text in words[:last]), b"".join(text for _, text in words[last + 1 :])


def mailboxes(value: bytes) -> list[tuple[str, str]]:
    """(display name, `local@domain`) of each mailbox, decoded, groups flattened; "" for a missing name."""
    found = []
    for name, _, local, domain in entries(value):
        if domain is None or local is None:
            continue
        mailbox = address.Mailbox(charset.decode(local), charset.decode(domain))
        found.append((word.decode(name) if name else "", str(mailbox) if local or domain else ""))
    return found


def claimed(value: bytes) -> set[str]:
    """Every `local@domain` outside of quotes and comments, also where no address belongs, decoded.

    Of `<one@example.org> <two@example.org>` some readers show the first and some the last (RFC 5322 3.4 has neither).
    """
    tokens = _tokens(value)
    around = zip(tokens, tokens[1:], tokens[2:], strict=False)
    return {
        str(address.Mailbox(charset.decode(local), charset.decode(domain)))
        for (kind, local), (at, _), (after, domain) in around
        if at == _AT and kind in (_ATOM, _QUOTED) and after == _ATOM
    }


def formatted(display: str, mailbox: str) -> bytes:
    """`Display <mailbox>` for a field of ours: quoted or encoded as the display name needs it."""
    if not display:
        return mailbox.encode()
    if word.needed(display):
        name = word.encode(display, first=len("Reply-To: "))
    elif _PHRASE.issuperset(display.encode("ascii")) and display == display.strip():
        name = display.encode("ascii")
    else:
        name = b'"' + display.replace("\\", "\\\\").replace('"', '\\"').encode("ascii") + b'"'
    return name + b" <" + mailbox.encode() + b">"
