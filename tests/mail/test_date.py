"""Dates: what is read, what is written, what a day is."""

from __future__ import annotations

import calendar
import datetime
import email.utils

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.mail import date
from tests.mail.soup import octets

# 1 January 1 to 31 December 9999
SECONDS = st.integers(-62135596800 + 86400, 253402300799 - 86400)
ZONES = st.integers(-23 * 60 - 59, 23 * 60 + 59)


@given(SECONDS, ZONES)
def test_text_is_what_the_calendar_says(seconds: int, zone: int) -> None:
    moment = datetime.datetime.fromtimestamp(0, datetime.UTC) + datetime.timedelta(seconds=seconds)
    local = moment.astimezone(datetime.timezone(datetime.timedelta(minutes=zone)))
    assert date.text(seconds, zone) == email.utils.format_datetime(local).replace(", 0", ", ")
    assert date.day(seconds, zone) == local.date().toordinal() - datetime.date(1970, 1, 1).toordinal()


@given(st.integers(-30610224000, 253402300799 - 86400), ZONES)  # from year 1000: two-digit years mean others
def test_round_trips(seconds: int, zone: int) -> None:
    assert date.parse(date.text(seconds, zone).encode()) == (seconds, zone)
    assert date.parse_internal(date.internal(seconds, zone)) == (seconds, zone)
    assert date.sent_day(date.text(seconds, zone).encode()) == date.day(seconds, zone)
    assert date.parse_day(date.internal(seconds, zone).split()[0]) == date.day(seconds, zone)


MOMENT = calendar.timegm((1997, 11, 21, 9, 55, 6))


@pytest.mark.parametrize("value, seconds, zone", [
    (b"Fri, 21 Nov 1997 09:55:06 -0600", MOMENT + 6 * 3600, -360),
    (b"21 Nov 1997 09:55:06 +0530", MOMENT - 19800, 330),
    (b"Fri, 21 Nov 97 09:55:06 GMT", MOMENT, 0),
    (b"Fri, 21 Nov 097 09:55:06 GMT", MOMENT, 0),
    (b"21 Nov 97 09:55:06 EST", MOMENT + 5 * 3600, -300),
    (b"21 Nov 97 09:55:06 A", MOMENT, 0),
    (b"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", None, 0),
    (b"Fri, 21 Nov 1997 (comment) 09:55:06 -0600 (CST)", MOMENT + 6 * 3600, -360),
    (b"Fri,21 Nov 1997 09:55:06 -0600", MOMENT + 6 * 3600, -360),
    (b"Friday, 21 November 1997 9:55:06 +0000", MOMENT, 0),
    (b"Fri 21-Nov-1997 09:55:06 +0000", MOMENT, 0),
    (b"Fri Nov 21 09:55:06 1997", MOMENT, 0),
    (b"Fri Nov 21 09:55:06 GMT 1997", MOMENT, 0),
    (b"Fri Nov 21 09:55:06 1997 -0600", MOMENT + 6 * 3600, -360),
    (b"1997-11-21T09:55:06Z", MOMENT, 0),
    (b"1997-11-21 09:55:06.123 -06:00", MOMENT + 6 * 3600, -360),
    (b"1997-11-21T09:55:06+02:00", MOMENT - 7200, 120),
    (b"21 Nov 1997 09:55 +0000", MOMENT - 6, 0),
    (b"21 Nov 1997 09.55.06 +0000", MOMENT, 0),
    (b"21 Nov 1997", MOMENT - 35706, 0),
    (b"21 Nov 1997 09:55:60 +0000", MOMENT + 53, 0),
    (b"21 Nov 1997 09:55:06 +9999", MOMENT, 0),
    (b"29 Feb 2000 00:00:00 +0000", 951782400, 0),
    (b"29 Feb 1900 00:00:00 +0000", None, 0),
    (b"31 Nov 1997 09:55:06 +0000", None, 0),
    (b"21 Nov 1997 24:55:06 +0000", None, 0),
    (b"0 Nov 1997 09:55:06 +0000", None, 0),
    (b"21 Foo 1997 09:55:06 +0000", None, 0),
    (b"", None, 0),
    (b"yesterday", None, 0),
    (b"\xb2 Nov 1997", None, 0),
])  # fmt: skip
def test_parse(value: bytes, seconds: int | None, zone: int) -> None:
    assert date.parse(value) == (None if seconds is None else (seconds, zone))


@pytest.mark.parametrize("year, meant", [(b"49", 2049), (b"50", 1950), (b"99", 1999), (b"00", 2000), (b"120", 2020)])
def test_short_years(year: bytes, meant: int) -> None:
    assert date.sent_day(b"1 Jan " + year) == (calendar.timegm((meant, 1, 1, 0, 0, 0))) // 86400


@given(
    octets
    | st.lists(
        st.sampled_from([b"21", b"Nov", b"1997", b"-", b":", b" ", b"T", b"+", b"09:55", b",", b"Z"]), max_size=12
    ).map(b"".join)
)
def test_parse_never_fails(value: bytes) -> None:
    parsed = date.parse(value)
    assert parsed is None or len(date.text(*parsed)) >= 30
    day = date.sent_day(value)
    assert parsed is None or day is not None


@pytest.mark.parametrize("text", [
    "", "21-Nov-1997", "21-Nov-1997 09:55:06", "21-Nov-1997 9:55:06 +0000", "21-Nov-97 09:55:06 +0000",
    "21-Nov-1997 09:55:06 GMT", "21-Nov-1997 09:55:06 +00:00", "32-Nov-1997 09:55:06 +0000",
    "21 Nov 1997 09:55:06 +0000",
    "21-Nov-1997 25:55:06 +0000", "21-Nov-1997 09:55:06 +٠٠٠٠", "21-November-1997 09:55:06 +0000", "x" * 26,
])  # fmt: skip
def test_internal_date_is_strict(text: str) -> None:
    with pytest.raises(ValueError):
        date.parse_internal(text)


def test_internal_date_pads_the_day_with_a_blank() -> None:
    assert date.internal(0) == " 1-Jan-1970 00:00:00 +0000"
    assert date.parse_internal(" 1-Jan-1970 00:00:00 +0000") == (0, 0)
    assert date.parse_internal("01-jan-1970 01:00:00 +0100") == (0, 60)


@pytest.mark.parametrize(
    "text", ["", "1-Feb", "1-Feb-94", "30-Feb-1994", "1/Feb/1994", "1-2-1994", "a-Feb-1994", "-Feb-1994"]
)
def test_search_day_is_strict(text: str) -> None:
    with pytest.raises(ValueError):
        date.parse_day(text)


def test_search_day() -> None:
    day = calendar.timegm((1994, 2, 1, 0, 0, 0)) // 86400
    assert date.parse_day("1-Feb-1994") == date.parse_day('"01-FEB-1994"') == day


@given(st.tuples(
    st.sampled_from([b"Fri, ", b"", b"Xyz, ", b"Nov, ", b"Fri "]),
    st.sampled_from([b"21", b"1", b" 1", b"31", b"0"]),
    st.sampled_from([b"Nov", b"nov", b"Feb", b"11"]),
    st.sampled_from([b"1997", b"97", b"2024"]),
    st.sampled_from([b"09:55:06", b"23:59:60", b"24:00:00", b"9:55:06", b"09.55.06", b"09:55"]),
    st.sampled_from([b"-0600", b"+0000", b"+9999", b"GMT", b"-06:0", b"0600", b"+060"]),
))  # fmt: skip
def test_the_quick_reading_agrees_with_the_other(words: tuple[bytes, ...]) -> None:
    value = words[0] + b" ".join(words[1:])
    with_comment = value + b" (comment)"
    assert date.parse(value) == date.parse(with_comment)
