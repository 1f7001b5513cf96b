"""What SORT and THREAD are asked for (RFC 5256 section 3, RFC 5957, RFC 5267 section 3.1)."""

from __future__ import annotations

from mailkit.imap.wire import Bad, keys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailkit.imap.wire.keys import Options, Search
    from mailkit.imap.wire.reader import Reader

    Criterion = tuple[str, bool]

CRITERIA = frozenset(
    {"ARRIVAL", "CC", "DATE", "DISPLAYFROM", "DISPLAYTO", "FROM", "RELEVANCY", "SIZE", "SUBJECT", "TO"}
)
ALGORITHMS = ("ORDEREDSUBJECT", "REFERENCES", "REFS")
CRITERIA_MOST = 20


def read_sort(reader: Reader) -> tuple[list[Criterion], Search]:
    """[RETURN (...)] (criteria) charset keys: [(criterion, reversed)], and the search. Bad, UnknownCharset."""
    options = keys.read_returns(reader)
    found: list[Criterion] = []
    backwards = False
    for word in (word.decode("ascii").upper() for word in reader.words()):
        if word == "REVERSE" and not backwards:
            backwards = True
        elif word in CRITERIA:
            found.append((word, backwards))
            backwards = False
        else:
            raise Bad(f"SORT knows no {word} there")
    if not found or backwards or len(found) > CRITERIA_MOST:
        raise Bad("SORT wants criteria in parentheses, REVERSE in front of one")
    reader.space()
    search = _search(reader, options)
    if any(word == "RELEVANCY" for word, _ in found) and not keys.mentions(search.key, "FUZZY"):
        raise Bad("RELEVANCY is of FUZZY searches")
    return found, search


def read_thread(reader: Reader) -> tuple[str, Search]:
    """algorithm charset keys. Bad, UnknownCharset."""
    algorithm = reader.word()
    if algorithm not in ALGORITHMS:
        raise Bad("THREAD knows " + ", ".join(ALGORITHMS))
    reader.space()
    return algorithm, _search(reader, keys.Options())


def _search(reader: Reader, options: Options) -> Search:
    charset = reader.astring().decode("latin-1")
    keys.known(charset)
    reader.space()
    return keys.Search(options, charset, keys.program(reader, charset))
