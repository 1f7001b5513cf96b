"""Octets of a named character set to text, whatever the name and whatever the octets.

Names come from strangers. They are looked up in the interpreter's table of names, never imported as they
stand: an unknown name would cost a search of the disk and a cache entry each time. Codecs that are no
character sets (punycode, unicode_escape, zlib) are left out, some of them are quadratic.
"""

from __future__ import annotations

from encodings.aliases import aliases  # loaded by every interpreter before our first line

# What a label means in practice: the larger set that its users really send (as the WHATWG Encoding
# Standard has it), and names that Python knows but does not list.
_MEANT = {
    "ascii": "utf_8",
    "latin_1": "cp1252",
    "iso8859_9": "cp1254",
    "iso8859_11": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "ansi_x3.4_1968": "utf_8",
    "ansi_x3.110_1983": "cp1252",
    "cp_850": "cp850",
    "cp874": "cp874",
    "windows_874": "cp874",
    "tis620": "cp874",
    "iso_8859_8_i": "iso8859_8",
    "iso_8859_8_e": "iso8859_8",
    "iso_8859_6_i": "iso8859_6",
    "koi8_u": "koi8_u",
    "koi8_ru": "koi8_u",
    "x_gbk": "gb18030",
    "x_sjis": "cp932",
    "x_euc_jp": "euc_jp",
    "x_big5": "big5hkscs",
    "big5": "big5hkscs",
    "x_mac_roman": "mac_roman",
    "unicode_1_1_utf_7": "utf_7",
    "utf_8mb4": "utf_8",
    "x_unknown": "utf_8",
    "unknown_8bit": "utf_8",
    "default": "utf_8",
}
_KNOWN = frozenset(aliases.values()) - {
    "base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec", "mbcs",
}  # fmt: skip


def codec(name: str) -> str | None:
    """The codec for a charset label, or None when we know none."""
    wanted = name.strip(" \t\"'").lower().replace("-", "_")
    if wanted in _MEANT:
        return _MEANT[wanted]
    found = aliases.get(wanted, wanted)
    found = _MEANT.get(found, found)
    return found if found in _KNOWN or found in _MEANT.values() else None


def decode(data: bytes, name: str = "") -> str:
    """Text of `data` in the charset called `name`.

    Octets that mean nothing there become U+FFFD. Without a usable name it is UTF-8 where that fits
    and else Windows-1252, which is what unlabelled 8-bit mail mostly is.
    """
    known = codec(name) if name else None
    if known in (None, "utf_8"):
        try:
            return data.decode()
        except UnicodeDecodeError:
            known = known if known and name.lower().startswith("utf") else "cp1252"
    return data.decode(known or "cp1252", "replace")
