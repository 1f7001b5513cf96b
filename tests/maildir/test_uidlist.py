"""dovecot-uidlist and what comes from Courier: read whatever is there, write what Dovecot reads, never fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.exits import Temp
from mailkit.maildir import courier, uidlist
from mailkit.maildir.keywords import Full, Keywords, letters, parse
from tests.maildir import boxes

GUID = "3085f01b7f11094c501100008c4a11c1"
HEADER = f"3 V1275660208 N25022 G{GUID}\n".encode()
LINES = b"25006 :1276528487.M364837P9451.mail,S=1355\n25017 W2481 P25.x:y :1276533073.M242911P3632.mail:2,S\n"


def test_version_3_is_read() -> None:
    listing = uidlist.parse(HEADER + LINES)
    assert (listing.uidvalidity, listing.uidnext, listing.guid.hex()) == (1275660208, 25022, GUID)
    assert listing.uids == {b"1276528487.M364837P9451.mail,S=1355": 25006, b"1276533073.M242911P3632.mail": 25017}
    assert listing.wire_sizes == {25017: 2481}
    assert listing.sound
    assert listing.end == len(HEADER + LINES)


def test_version_1_is_read_and_must_be_rewritten() -> None:
    listing = uidlist.parse(b"1 1275660208 7\n3 a.b.c:2,S\n5 d.e.f\n")
    assert (listing.uidvalidity, listing.uidnext) == (1275660208, 7)
    assert listing.uids == {b"a.b.c": 3, b"d.e.f": 5}
    assert not listing.sound


PIECES = [b"1", b"2", b"3", b"12", b" :", b" :a", b" :b", b" :c", b"/", b":", b" ", b"\n", b"\n", b"W5", b"-", b"x"]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join), st.sampled_from([b"3", b"1"]))
def test_lines_taken_together_are_those_taken_one_by_one(lines: bytes, version: bytes) -> None:
    data = HEADER if version == b"3" else b"1 1275660208 7\n"
    data += b"1 :x\n2 :y\n" + lines
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uidlist, "_LINES_AT_ONCE", 3)
        together = uidlist.parse(data)
        patch.setattr(uidlist, "_usual_lines", lambda *args: 0)
        one_by_one = uidlist.parse(data)
    for name in uidlist.Listing.__slots__:
        assert getattr(together, name) == getattr(one_by_one, name), name


def test_next_uid_is_behind_the_last_line_when_lines_were_appended() -> None:
    assert uidlist.parse(HEADER + b"30000 :x\n").uidnext == 30001


@pytest.mark.parametrize(
    "bad",
    [
        b"rubbish\n",
        b"12\n",
        b"0 :x\n",
        b"4294967295 :x\n",
        b"99999999999999 :x\n",
        b"7 :\n",
        b"7 :a/b\n",
        b"7 W3\n",
        b"\n",
    ],
)
def test_damaged_lines_are_passed_over(
    bad: bytes,
) -> None:
    listing = uidlist.parse(HEADER + b"5 :a\n" + bad + b"9 :b\n")
    assert listing.uids == {b"a": 5, b"b": 9}
    assert listing.damaged == 1
    assert not listing.sound


def test_uids_out_of_order_do_not_count() -> None:
    assert uidlist.parse(HEADER + b"5 :a\n4 :b\n6 :c\n").uids == {b"a": 5, b"c": 6}


def test_a_name_that_comes_again_has_its_later_uid() -> None:
    listing = uidlist.parse(HEADER + b"5 :a\n6 :b\n7 :a\n")
    assert listing.uids == {b"a": 7, b"b": 6}
    assert listing.damaged == 1


def test_torn_last_line_is_not_read() -> None:
    listing = uidlist.parse(HEADER + b"5 :a\n6 :b")
    assert listing.uids == {b"a": 5}
    assert listing.end == len(HEADER) + 5
    assert listing.damaged == 1


@given(st.binary(max_size=300))
def test_any_octets_are_read(octets: bytes) -> None:
    for data in (octets, HEADER + octets):
        listing = uidlist.parse(data)
        uids = list(listing.uids.values())
        assert len(set(uids)) == len(uids)
        assert all(0 < uid < listing.uidnext for uid in uids)


@given(st.lists(st.binary(max_size=12), max_size=12), st.randoms(use_true_random=False))
def test_damage_never_changes_a_good_line(noise: list[bytes], chance: object) -> None:
    good = [b"%d :m%d" % (10 * n, n) for n in range(1, 8)]
    lines = list(good)
    for octets in noise:
        lines.insert(chance.randrange(len(lines) + 1), b"x" + octets.replace(b"\n", b""))  # type: ignore[attr-defined]
    listing = uidlist.parse(HEADER + b"".join(line + b"\n" for line in lines))
    assert all(listing.uids[b"m%d" % n] == 10 * n for n in range(1, 8))


def test_what_is_written_is_read_again_with_extensions(tmp_path: Path) -> None:
    (tmp_path / uidlist.NAME).write_bytes(HEADER + LINES + b"25020 :gone\n")
    header = uidlist.parse(HEADER)
    rows = [(25006, b"1276528487.M364837P9451.mail,S=1355"), (25017, b"1276533073.M242911P3632.mail"), (25021, b"new")]
    uidlist.replace(str(tmp_path), header, rows)
    assert (tmp_path / uidlist.NAME).read_bytes() == HEADER + (
        b"25006 :1276528487.M364837P9451.mail,S=1355\n25017 W2481 P25.x:y :1276533073.M242911P3632.mail\n25021 :new\n"
    )


def test_appended_lines_are_the_tail(tmp_path: Path) -> None:
    (tmp_path / uidlist.NAME).write_bytes(HEADER + LINES)
    uidlist.append(str(tmp_path), [(25022, b"new"), (25023, b"newer")])
    tail = uidlist.read_tail(str(tmp_path), len(HEADER + LINES), 25021)
    assert tail is not None
    assert tail[0].uids == {b"new": 25022, b"newer": 25023}
    assert uidlist.read_tail(str(tmp_path), len(HEADER + LINES) - 1, 25021) is None


def test_contains_finds_whole_names_only(tmp_path: Path) -> None:
    (tmp_path / uidlist.NAME).write_bytes(HEADER + LINES)
    found = uidlist.contains(str(tmp_path), [b"1276533073.M242911P3632.mail", b"1276533073.M242911P3632", b"mail"])
    assert found == {b"1276533073.M242911P3632.mail"}


def test_the_lock_is_dovecots_and_keeps_others_out(tmp_path: Path) -> None:
    with uidlist.locked(str(tmp_path)):
        assert (tmp_path / "dovecot-uidlist.lock").exists()
        with pytest.raises(Temp), uidlist.locked(str(tmp_path), wait_s=0):
            raise AssertionError("two hold the lock")
    assert not (tmp_path / "dovecot-uidlist.lock").exists()


def test_fresh_uidvalidity_is_higher_than_that_of_a_deleted_folder(tmp_path: Path) -> None:
    (tmp_path / "dovecot-uidvalidity").write_text("7fffffff")
    assert uidlist.fresh(str(tmp_path / ".Box")).uidvalidity == 0x80000000


def test_courier_lists_are_read(tmp_path: Path) -> None:
    (tmp_path / "courierimapuiddb").write_bytes(b"1 1111111111 9\n4 a.b.c\n8 d.e.f,S=3\n")
    listing = courier.uids(str(tmp_path))
    assert listing is not None
    assert (listing.uidvalidity, listing.uidnext, listing.uids) == (1111111111, 9, {b"a.b.c": 4, b"d.e.f,S=3": 8})
    (tmp_path / "courierimapuiddb").write_bytes(b"rubbish")
    assert courier.uids(str(tmp_path)) is None


def test_courier_keywords_are_read(tmp_path: Path) -> None:
    directory = tmp_path / "courierimapkeywords"
    directory.mkdir()
    (directory / ":list").write_bytes(b"$Junk\nwork\n\na.b.c:0 1\nd.e.f:1\nbroken\nx:77\n")
    (directory / "d.e.f").write_bytes(b"$Junk\n")
    (directory / ".12.d.e.f").write_bytes(b"half written\n")
    assert courier.keywords(str(tmp_path)) == {b"a.b.c": [b"$Junk", b"work"], b"d.e.f": [b"$Junk"]}
    assert courier.keywords(boxes.make(tmp_path / "none")) == {}


def test_keywords_are_read_and_written_as_dovecot_does(tmp_path: Path) -> None:
    (tmp_path / "dovecot-keywords").write_bytes(b"0 $Junk\n2 work\nrubbish\n99 far\n3\n")
    keywords = Keywords(str(tmp_path))
    keywords.refresh()
    assert keywords.names[:4] == [b"$Junk", None, b"work", None]
    assert keywords.bit(b"$JUNK") == 1 << 6
    assert keywords.add(b"later") == 1 << 7
    keywords.write()
    assert (tmp_path / "dovecot-keywords").read_bytes() == b"0 $Junk\n1 later\n2 work\n"
    assert not keywords.changed()


def test_each_write_of_keywords_is_later_in_whole_seconds(tmp_path: Path) -> None:
    keywords = Keywords(str(tmp_path))
    times = []
    for name in (b"a", b"b", b"c"):
        keywords.add(name)
        keywords.write()
        times.append(int((tmp_path / "dovecot-keywords").stat().st_mtime))
    assert len(set(times)) == 3


def test_the_27th_keyword_is_refused(tmp_path: Path) -> None:
    keywords = Keywords(str(tmp_path))
    for number in range(26):
        keywords.add(b"k%d" % number)
    with pytest.raises(Full):
        keywords.add(b"one-more")


@pytest.mark.parametrize("name", [b"", b"a b", b"\\Seen", b"a(b", b"\x80", b'q"'])
def test_what_is_no_keyword_is_refused(tmp_path: Path, name: bytes) -> None:
    with pytest.raises(ValueError, match="not a keyword"):
        Keywords(str(tmp_path)).add(name)


def test_letters_leave_out_what_does_not_fit(tmp_path: Path) -> None:
    assert letters(str(tmp_path), [b"b", b"bad one", b"a"]) == "ab"
    assert letters(str(tmp_path), [b"A"]) == "b"


@given(st.binary(max_size=200))
def test_any_keywords_file_is_read(octets: bytes) -> None:
    names = parse(octets)
    assert len(names) == 26
    assert all(name is None or name in octets for name in names)


def test_a_letter_without_a_name_is_called_as_dovecot_calls_it(tmp_path: Path) -> None:
    assert Keywords(str(tmp_path)).text(1 << 8 | 16) == b"\\Seen unknown-2"
