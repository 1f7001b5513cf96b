"""Domain names with other than ASCII letters: U-labels and A-labels (RFC 5890, 5891, 5892).

The rules of IDNA 2008 are reckoned from the Unicode tables of the interpreter, in a few lines. The codec
`idna` of the standard library is IDNA 2003: it turns "straße" into "strasse", which is somebody else's domain.
Upper case is lowered first (RFC 5895). Of RFC 5892 appendix A the joiners and the middle dot are judged; the other
contextual rules and the right-to-left rule (RFC 5893) keep look-alikes from being registered, and a name that breaks
them is not in the DNS.
"""

from __future__ import annotations

_LABEL_LONGEST = 63
_NAME_LONGEST = 253
# RFC 5892 2.6: exceptions to the derivation.
_VALID = frozenset("ßς٠۽۾་〇·͵׳״・")
_INVALID = frozenset("ـߺ〮〯〱〲〳〴〵〻")
# RFC 5892 2.7 to 2.9, as far as they are letters or marks: ignorable characters, marks for symbols and
# music, old Hangul.
_INVALID_RANGES = (
    (0x034F, 0x034F), (0x1100, 0x11FF), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x20D0, 0x20FF), (0xA960, 0xA97C),
    (0xD7B0, 0xD7FB), (0xFE00, 0xFE0F), (0x1D165, 0x1D1AD), (0x1D242, 0x1D244), (0xE0100, 0xE01EF),
)  # fmt: skip
_VIRAMA = 9  # canonical combining class
_JOINERS = "\u200c\u200d"


def ascii(domain: str) -> str:
    """The domain in lower case with A-labels. ValueError where a label cannot be one."""
    if domain.isascii():
        return domain.lower()
    labels = [_a_label(label) for label in _normal(domain).split(".")]
    name = ".".join(labels)
    if len(name) > _NAME_LONGEST:
        raise ValueError("domain name is too long")
    return name


def display(domain: str) -> str:
    """The domain in lower case with U-labels; a label that is no true A-label stays as it is."""
    lowered = domain.lower()
    if "xn--" not in lowered:
        return lowered
    return ".".join(_u_label(label) for label in lowered.split("."))


def _normal(domain: str) -> str:
    import unicodedata

    # RFC 5895 2: lower case, wide and narrow forms, NFC; the ideographic full stops are dots.
    wide = "".join(
        unicodedata.normalize("NFKC", character) if unicodedata.east_asian_width(character) in "FH" else character
        for character in domain.lower().replace("。", ".")
    )
    return unicodedata.normalize("NFC", wide)


def _a_label(label: str) -> str:
    if label.isascii():
        return label
    if not _valid(label):
        raise ValueError("domain name has a character that domain names cannot have")
    coded = "xn--" + label.encode("punycode").decode("ascii")
    if len(coded) > _LABEL_LONGEST:
        raise ValueError("domain name has a label that is too long")
    return coded


def _u_label(label: str) -> str:
    if not label.startswith("xn--") or len(label) > _LABEL_LONGEST:
        return label
    try:
        text = label[4:].encode("ascii").decode("punycode")
        return text if _a_label(text) == label else label
    except ValueError:
        return label


def _valid(label: str) -> bool:
    """RFC 5891 4.2: NFC, no hyphens at the ends or in third and fourth place, no mark first, letters only."""
    import unicodedata

    if unicodedata.normalize("NFC", label) != label or label[2:4] == "--":
        return False
    if label.startswith("-") or label.endswith("-") or unicodedata.category(label[0]).startswith("M"):
        return False
    return all(_valid_at(label, at) for at in range(len(label)))


def _valid_at(label: str, at: int) -> bool:
    """RFC 5892 3: the property of one character, derived."""
    import unicodedata

    character = label[at]
    if character in _JOINERS:  # RFC 5892 A.1, A.2
        return at > 0 and unicodedata.combining(label[at - 1]) == _VIRAMA
    if character == "·":  # RFC 5892 A.3
        return label[at - 1 : at] == "l" and label[at + 1 : at + 2] == "l"
    if character in _VALID or character == "-":
        return True
    if character in _INVALID or any(first <= ord(character) <= last for first, last in _INVALID_RANGES):
        return False
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", character).casefold())
    return folded == character and unicodedata.category(character) in ("Ll", "Lo", "Lm", "Mn", "Mc", "Nd")
