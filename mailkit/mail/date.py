"""Dates of mail: RFC 5322 3.3 and 4.3, IMAP's internal date and the days of its SEARCH.

A moment is (seconds since 1970 UTC, minutes that its zone is east of UTC). A day is a count of days since
1970-01-01. The calendar is reckoned here because `datetime` costs a lean program more than it gives.
"""

from __future__ import annotations

from mailkit.mail import comment
from mailkit.mail.memo import Memo

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH_NUMBERS = {name.encode(): number for number, name in enumerate(_MONTHS, 1)}
_MONTH_NAMES = [name.capitalize() for name in _MONTHS]
_DAY_NAMES = ("Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed")  # 1970-01-01 was a Thursday

# RFC 5322 4.3; the military letters are read as "zone unknown" (-0000) because half of those sent are wrong.
_ZONES = {
    b"UT": 0, b"GMT": 0, b"UTC": 0, b"Z": 0, b"EST": -300, b"EDT": -240, b"CST": -360, b"CDT": -300,
    b"MST": -420, b"MDT": -360, b"PST": -480, b"PDT": -420,
    b"CET": 60, b"CEST": 120, b"BST": 60, b"JST": 540,  # not in the RFC, often seen
}  # fmt: skip
_ZONE_FURTHEST = 24 * 60


def parse(value: bytes) -> tuple[int, int] | None:
    """(seconds, zone) of a Date field, or None where no date can be made out.

    Wrong week days, missing seconds, two-digit years, dashes, comments, ISO 8601, ctime order and zone
    names are accepted.
    """
    if (usual := _usual(value)) is not None:
        return usual
    words = _words(value)
    if words is None:
        return None
    day_number, time, zone = words
    moment = _clock(time)
    if moment is None:
        return None
    east = _zone(zone)
    return day_number * 86400 + moment - east * 60, east


def _usual(value: bytes) -> tuple[int, int] | None:
    """A date as the RFC has it: `Fri, 21 Nov 1997 09:55:06 -0600`; None for any other."""
    time, zone = value[-14:-6], value[-5:]
    number = _DAY_OF[value[:-15]]
    digits = time[:2] + time[3:5] + time[6:]
    if number is None or not digits.isdigit() or value[-15:-14] + time[2:3] + time[5:6] + value[-6:-5] != b" :: ":
        return None
    hour, minute, second = int(digits[:2]), int(digits[2:4]), int(digits[4:])
    if hour > 23 or minute > 59 or second > 59 or zone[:1] not in (b"+", b"-"):
        return None
    east = _ZONE_OF[zone]
    return number * 86400 + hour * 3600 + minute * 60 + second - east * 60, east


def _plain_day(value: bytes) -> int | None:
    """The day of `Fri, 21 Nov 1997` or `21 Nov 1997`; None for what is written in any other way."""
    if value[3:5] == b", " and value[:3].isalpha() and value[:3].lower() not in _MONTH_NUMBERS:
        value = value[5:]
    words = value.split(b" ")
    return _day(words[2], words[1], words[0]) if len(words) == 3 else None


def sent_day(value: bytes) -> int | None:
    """The day a Date field says, whatever its time and zone (RFC 9051 6.4.4 SENTON)."""
    words = _words(value)
    return words[0] if words else None


def _words(value: bytes) -> tuple[int, bytes, bytes] | None:
    """(day, "hh:mm:ss", zone) from the words of a date, in whatever order its kind has them."""
    words = comment.removed(value[:200]).replace(b",", b" ").split()
    if words and (words[0][:1].isalpha() and words[0][:3].lower() not in _MONTH_NUMBERS):
        del words[0]  # the day of the week
    if not words:
        return None
    first = words[0]
    if first[:3].lower() in _MONTH_NUMBERS:
        return _ctime(words)
    if first[:4].isdigit() and first[4:5] == b"-":
        return _iso(words)
    if b"-" in first:  # 21-Nov-1997, as IMAP and old Unix programs write
        words[0:1] = first.split(b"-")
    if len(words) < 3:
        return None
    number = _day(words[2], words[1], words[0])
    time = words[3] if len(words) > 3 else b"0:0"
    return None if number is None else (number, time, b"".join(words[4:5]))


def _ctime(words: list[bytes]) -> tuple[int, bytes, bytes] | None:
    """Nov 21 09:55:06 1997, with or without a zone before or after the year."""
    if len(words) < 4:
        return None
    rest = words[3:]
    year = next((word for word in rest if len(word) == 4 and word.isdigit()), b"")
    number = _day(year, words[0], words[1])
    zone = next((word for word in rest if word != year), b"")
    return None if number is None else (number, words[2], zone)


def _iso(words: list[bytes]) -> tuple[int, bytes, bytes] | None:
    """1997-11-21T09:55:06.5-06:00, or with a blank for the T."""
    date, _, time = b" ".join(words).replace(b"T", b" ", 1).partition(b" ")
    time, _, zone = time.partition(b" ")
    year, _, rest = date.partition(b"-")
    month, _, day_ = rest.partition(b"-")
    if not (month.isdigit() and 1 <= int(month) <= 12):
        return None
    for sign in (b"+", b"-", b"Z"):
        if not zone and sign in time:
            time, _, shift = time.partition(sign)
            zone = sign + shift
    number = _day(year, _MONTHS[int(month) - 1].encode(), day_)
    return None if number is None else (number, time.partition(b".")[0], zone.replace(b":", b""))


def _day(year: bytes, month: bytes, day_of_month: bytes) -> int | None:
    number = _MONTH_NUMBERS.get(month[:3].lower())
    if number is None or not (year.isdigit() and day_of_month.isdigit()) or len(year) > 4 or len(day_of_month) > 2:
        return None
    full = int(year)
    if len(year) < 4:  # RFC 5322 4.3: two digits from 50 on and three digits count from 1900
        full += 2000 if len(year) < 3 and full < 50 else 1900
    return _civil(full, number, int(day_of_month))


def _civil(year: int, month: int, day_of_month: int) -> int | None:
    """Days since 1970-01-01 of a Gregorian date; None for 30 February."""
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    last = 28 + leap if month == 2 else 30 if month in (4, 6, 9, 11) else 31
    if not 1 <= day_of_month <= last:
        return None
    # Years that begin in March have their leap day at the end.
    from_march = year - (month <= 2)
    days_before = (153 * ((month + 9) % 12) + 2) // 5 + day_of_month - 1
    return from_march * 365 + from_march // 4 - from_march // 100 + from_march // 400 + days_before - 719468


def _date_of(day_number: int) -> tuple[int, int, int]:
    """(year, month, day of the month): the inverse of `_civil`."""
    era, of_era = divmod(day_number + 719468, 146097)
    year_of_era = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    from_march = (5 * of_year + 2) // 153
    month = from_march + 3 if from_march < 10 else from_march - 9
    return era * 400 + year_of_era + (month <= 2), month, of_year - (153 * from_march + 2) // 5 + 1


def _clock(time: bytes) -> int | None:
    """Seconds since midnight of hh:mm or hh:mm:ss; a leap second counts as the one before."""
    parts = time.replace(b".", b":").split(b":")
    if not 2 <= len(parts) <= 4 or not all(part.isdigit() and len(part) <= 2 for part in parts[:3]):
        return None
    hour, minute, second = (int(part) for part in (*parts[:3], b"0")[:3])
    if hour > 23 or minute > 59 or second > 60:
        return None
    return hour * 3600 + minute * 60 + min(second, 59)


def _zone(zone: bytes) -> int:
    """Minutes east of UTC; 0 for what is no zone, as RFC 5322 4.3 asks."""
    if zone[:1] in (b"+", b"-") and zone[1:5].isdigit() and len(zone) == 5:
        minutes = int(zone[1:3]) * 60 + int(zone[3:5])
        if minutes > _ZONE_FURTHEST:
            return 0
        return -minutes if zone[:1] == b"-" else minutes
    return _ZONES.get(zone.upper(), 0)


_DAY_OF = Memo(_plain_day)
_ZONE_OF = Memo(_zone)


def day(seconds: int, zone: int = 0) -> int:
    """The day of a moment, where the clock is `zone` minutes east of UTC."""
    return (seconds + zone * 60) // 86400


def text(seconds: int, zone: int = 0) -> str:
    """`Fri, 21 Nov 1997 09:55:06 -0600` (RFC 5322 3.3)."""
    number, (year, month, of_month), time = _split(seconds, zone)
    name = _DAY_NAMES[number % 7]
    return f"{name}, {of_month} {_MONTH_NAMES[month - 1]} {year:04} {time} {_zone_text(zone)}"


def internal(seconds: int, zone: int = 0) -> str:
    """`21-Nov-1997 09:55:06 -0600`, the day padded with a blank (RFC 9051 date-time, without quotes)."""
    number, left = divmod(seconds + zone * 60, 86400)
    day_text = _DAY_TEXTS.get(number) or _day_text(number)
    time = f"{_TWO[left // 3600]}:{_TWO[left // 60 % 60]}:{_TWO[left % 60]}"
    return f"{day_text} {time} {_zone_text(zone) if zone else '+0000'}"


_TWO = [f"{number:02}" for number in range(60)]
_DAY_TEXTS: dict[int, str] = {}
_DAY_TEXTS_MOST = 20_000


def _day_text(number: int) -> str:
    """`21-Nov-1997`, remembered: the messages of a folder share days."""
    if len(_DAY_TEXTS) > _DAY_TEXTS_MOST:
        _DAY_TEXTS.clear()
    year, month, of_month = _date_of(number)
    found = _DAY_TEXTS[number] = f"{of_month:2}-{_MONTH_NAMES[month - 1]}-{year:04}"
    return found


def _split(seconds: int, zone: int) -> tuple[int, tuple[int, int, int], str]:
    number, left = divmod(seconds + zone * 60, 86400)
    return number, _date_of(number), f"{left // 3600:02}:{left // 60 % 60:02}:{left % 60:02}"


def _zone_text(zone: int) -> str:
    return f"{'-' if zone < 0 else '+'}{abs(zone) // 60:02}{abs(zone) % 60:02}"


def parse_internal(content: str) -> tuple[int, int]:
    """(seconds, zone) of an IMAP date-time without its quotes (RFC 9051 9). ValueError."""
    date, _, rest = content.strip().partition(" ")
    time, _, zone = rest.partition(" ")
    moment = _clock(time.encode("ascii", "replace")) if len(time) == 8 and time.count(":") == 2 else None
    if moment is None or len(zone) != 5 or zone[0] not in "+-" or not (zone[1:].isascii() and zone[1:].isdigit()):
        raise ValueError("date-time is not dd-Mon-yyyy hh:mm:ss +zzzz")
    east = _zone(zone.encode())
    return parse_day(date) * 86400 + moment - east * 60, east


def parse_day(content: str) -> int:
    """The day of an IMAP date, `1-Feb-1994` (RFC 9051 9). ValueError."""
    pieces = content.strip('"').encode("ascii", "replace").split(b"-")
    number = _day(pieces[2], pieces[1], pieces[0]) if len(pieces) == 3 and len(pieces[2]) == 4 else None
    if number is None or len(pieces[1]) != 3:
        raise ValueError("date is not dd-Mon-yyyy")
    return number
