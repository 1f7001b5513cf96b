"""users.passwd, users.keyed, users.edit: no line is ever lost."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit import files
from mailkit.control import Home
from mailkit.exits import Perm, Temp
from mailkit.users import edit, keyed, passwd
from mailkit.users.passwd import Passwd, User
from tests.harness.crash import crashes
from tests.harness.servers import environment
from tests.users.conftest import passwd as write

word = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters=":="), max_size=12)
text = st.text(st.characters(codec="utf-8", exclude_characters=":\n\r\0"), max_size=12)


@given(
    hash=text, gecos=text, home=text, shell=text, fields=st.dictionaries(word.filter(bool), word, max_size=4),
    uid=st.sampled_from(["", "0", "1000"]),
)  # fmt: skip
def test_round_trip_of_a_line(hash: str, gecos: str, home: str, shell: str, fields: dict[str, str], uid: str) -> None:
    user = User("alice@example.test", hash, uid, uid, gecos, home, shell, fields)
    again = passwd.parse(user.line())
    for name in ("address", "hash", "uid", "gid", "gecos", "home", "shell", "fields"):
        assert getattr(again, name) == getattr(user, name)
    assert again.line() == user.line()


@given(st.binary(max_size=120))
def test_any_line_is_a_user_or_a_value_error(line: bytes) -> None:
    try:
        user = passwd.parse(line.replace(b"\n", b""))
    except ValueError:
        return
    assert passwd.parse(user.line()).address == user.address


def test_all_columns(home: Home) -> None:
    write(
        home,
        "alice@example.test:{PLAIN}a:1000:1001:Alice Smith:/srv/alice:/bin/sh:"
        "userdb_quota_rule=*:storage=1G:messages=1000 allow_nets=::1/128 nologin",
    )
    user = Passwd(home).lookup("alice@example.test")
    assert user is not None
    assert (user.local, user.domain, user.hash, user.uid, user.gid) == ("alice", "example.test", "{PLAIN}a", 1000, 1001)
    assert (user.gecos, user.shell, user.directory, user.maildir) == (
        "Alice Smith", "/bin/sh", "/srv/alice", "/srv/alice/Maildir",
    )  # fmt: skip
    assert user.fields["allow_nets"] == "::1/128"
    assert user.quota == (1 << 30, 1000)
    assert not user.may_log_in and user.may_receive


def test_shortest_line(home: Home) -> None:
    write(home, "a/b@example.test:{PLAIN}a")
    user = Passwd(home).lookup("a/b@example.test")
    assert user is not None
    assert (user.uid, user.gid, user.quota, user.may_log_in) == (None, None, (None, None), True)
    assert user.maildir == home.join("domains", "example.test", "a%2Fb", "Maildir")


@pytest.mark.parametrize(
    ("rule", "quota"),
    [
        ("*:storage=10M", (10 << 20, None)), ("*:storage=2048", (2 << 20, None)), ("*:bytes=5000", (5000, None)),
        ("*:storage=1500B", (1500, None)), ("*:storage=3MB", (3 << 20, None)), ("*:storage=3XB", (None, None)),
        ("*:storage=0:messages=0", (None, None)), ("*:messages=7:storage=1g", (1 << 30, 7)), ("rubbish", (None, None)),
        ("*:storage=-1:messages=x", (None, None)),
    ],
)  # fmt: skip
def test_quota_rule(rule: str, quota: tuple[int | None, int | None]) -> None:
    assert User("a@example.test", fields={"userdb_quota_rule": rule}).quota == quota


def test_system_users_by_name(home: Home) -> None:
    write(home, "a@example.test:x:root:root", "b@example.test:x:nosuchuser:")
    user = Passwd(home).lookup("a@example.test")
    assert user is not None and (user.uid, user.gid) == (0, 0)
    with pytest.raises(Temp, match="line 2: no system user 'nosuchuser'"):
        Passwd(home).lookup("b@example.test")


@pytest.mark.parametrize("filler", [0, 3000])
def test_a_damaged_line_is_trouble_for_its_user_and_nobody_else(home: Home, filler: int) -> None:
    """Its mail waits for the editor's mistake to be seen; it is not sent back as if nobody had the address."""
    write(home, "alice@example.test:x", "bob@example.test:x:nosuchuser", *(f"u{n}@example.test:x" for n in range(filler)))
    for _ in range(3):
        with pytest.raises(Temp, match="user data is damaged"):
            Passwd(home).lookup("Bob@example.test")
        assert Passwd(home).lookup("alice@example.test")
        assert Passwd(home).lookup("nobody@example.test") is None
    write(home, "bob@example.test:x:nosuchuser", "bob@example.test:x")
    assert Passwd(home).lookup("bob@example.test")


def test_a_file_that_cannot_be_read_is_named(home: Home) -> None:
    os.mkdir(home.passwd)
    with pytest.raises(Temp, match="read .*users/passwd: Is a directory"):
        Passwd(home).lookup("bob@example.test")


@pytest.mark.parametrize("address", ["ALICE@Example.Test", '"alice"@example.test', "alice@example.test"])
def test_case_and_quoting_do_not_matter(home: Home, address: str) -> None:
    write(home, "bob@example.test:x", "Alice@Example.test:{PLAIN}a")
    for _ in range(3):
        user = Passwd(home).lookup(address)
        assert user is not None and user.address == "alice@example.test"


def test_both_forms_of_a_domain_name_one_user(home: Home) -> None:
    write(home, "info@xn--bcher-kva.example:x")
    for form in ("info@bücher.example", "info@BÜCHER.example", "info@xn--bcher-kva.example"):
        assert Passwd(home).lookup(form) is not None


@pytest.mark.parametrize(
    "address", ["", "alice", "lice@example.test", "alice@example.tes", "alice@example.test:", "#x@example.test", "x\n"]
)
def test_nobody(home: Home, address: str) -> None:
    write(home, "#x@example.test:y", "alice@example.test:x")
    for _ in range(3):
        assert Passwd(home).lookup(address) is None


def test_first_of_two_lines_counts(home: Home) -> None:
    write(home, "a@example.test:first", "b@example.test:x", "a@example.test:second")
    for _ in range(3):
        user = Passwd(home).lookup("a@example.test")
        assert user is not None and user.hash == "first"
    assert [user.address for user in Passwd(home).users()] == ["a@example.test", "b@example.test"]
    assert Passwd(home).damaged() == [(3, "a@example.test is also in line 1")]


def test_one_question_looks_at_one_line(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that a delivery by pipe asks; who asks again hears of every damaged line."""
    write(home, *(f"u{number}@example.test:x" for number in range(50)), "no colon here")
    looked: list[bytes] = []
    real = passwd.parse
    monkeypatch.setattr(passwd, "parse", lambda line, domains="": looked.append(line) or real(line, domains))  # type: ignore[func-returns-value]
    assert Passwd(home).lookup("u7@example.test") is not None
    assert looked == [b"u7@example.test:x"]
    assert Passwd(home).lookup("u8@example.test") is not None
    assert b"no colon here" in looked


def test_damaged_line_is_named_once_and_the_others_work(home: Home, logged: list[str]) -> None:
    write(home, "# people", "no colon here", "", "bob@example.test:{PLAIN}b", "a@b@c:x", "bob2@example.test:x:12x")
    for _ in range(3):
        assert Passwd(home).lookup("bob@example.test") is not None
    assert len(logged) == 3
    assert "line=2" in logged[0] and "line=5" in logged[1] and "line=6" in logged[2]
    assert [line for line, _ in Passwd(home).damaged()] == [2, 5, 6]


def test_damaged_line_gives_way_to_a_good_one(home: Home) -> None:
    write(home, "a@example.test:x:nosuchuser", "a@example.test:good")
    for _ in range(3):
        user = Passwd(home).lookup("a@example.test")
        assert user is not None and user.hash == "good"


def test_edit_is_seen_by_the_next_lookup(home: Home) -> None:
    people = Passwd(home)
    write(home)
    assert people.lookup("a@example.test") is None
    edit.add(home, User("a@example.test", "one"))
    assert people.lookup("a@example.test") is not None
    edit.change(home, "a@example.test", lambda user: setattr(user, "hash", "two"))
    user = people.lookup("a@example.test")
    assert user is not None and user.hash == "two"
    edit.remove(home, "a@example.test")
    assert people.lookup("a@example.test") is None


def test_missing_file_or_directory_is_temporary(home: Home) -> None:
    """A file that is being put back, a home that is not mounted: they must not make every address unknown."""
    with pytest.raises(Temp, match="no such file"):
        Passwd(home).lookup("a@example.test")
    assert list(Passwd(home).users()) == []
    os.rmdir(os.path.dirname(home.passwd))
    with pytest.raises(Temp):
        Passwd(home).lookup("a@example.test")


def test_large_file(home: Home) -> None:
    """Lines longer than a read, more than one read, no line end at the end."""
    lines = [f"user{i}@example.test:{{PLAIN}}{'x' * (i % 50)}" for i in range(30_000)]
    lines[15_000] += ":::" + "y" * 200_000
    Path(home.passwd).write_text("\n".join(lines))
    people = Passwd(home)
    for i in (29_999, 0, 15_000, 14_999, 15_001, 7, 20_000):
        user = people.lookup(f"user{i}@example.test")
        assert user is not None and len(user.hash) == 7 + i % 50
    assert people.lookup("user30000@example.test") is None
    assert sum(1 for _ in people.users()) == 30_000
    version = keyed.opened(home.passwd, home.run).current()
    assert version is not None
    offset, line = next(version.lines(b"user20000@example.test"))
    assert version.number(offset) == 20_001 and line.startswith(b"user20000@")


heads_of_lines = st.lists(st.sampled_from(["a:", "b:", "A:", "ab:", "#a:", "", "x a:", "a", "\r"]), max_size=12)


@given(heads_of_lines, st.integers(1, 40))
def test_scan_and_index_agree(tmp_path_factory: pytest.TempPathFactory, heads: list[str], chunk: int) -> None:
    path = tmp_path_factory.mktemp("keyed") / "file"
    lines = [f"{head}{i}" for i, head in enumerate(heads)]
    path.write_text("\n".join(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keyed, "_CHUNK", chunk)
        for small in (1 << 20, -1):
            patch.setattr(keyed, "_SMALL", small)
            version = keyed.Version(str(path), str(path.with_name("index")))
            for key in ("a", "b", "ab", "nobody"):
                wanted = [line.encode() for line in lines if line.lower().startswith(key + ":")]
                for _ in range(3):  # read through, then by index
                    assert [line for _, line in version.lines(key.encode())] == wanted
            for number, line in version.every():
                assert lines[number - 1].encode() == line


@pytest.fixture
def large(home: Home) -> Home:
    """A home whose passwd file is long enough for an index, and old enough for it to be kept."""
    write(home, *(f"user{i}@example.test:{{PLAIN}}{'x' * 60}{i}" for i in range(1000)))
    os.utime(home.passwd, (1e9, 1e9))
    return home


def lookup_in_a_new_process(home: Home, address: str) -> User | None:
    keyed._opened.clear()
    return Passwd(home).lookup(address)


def test_index_is_shared_between_processes(large: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lookup_in_a_new_process(large, "user7@example.test") is not None
    monkeypatch.setattr(keyed.Version, "_new_index", lambda version: pytest.fail("built again"))
    for i in (0, 500, 999):
        user = lookup_in_a_new_process(large, f"User{i}@example.test")
        assert user is not None and user.hash.endswith(f"x{i}")
    assert lookup_in_a_new_process(large, "user1000@example.test") is None


@pytest.mark.parametrize("damage", ["gone", "empty", "short", "odd", "swapped", "zeros"])
def test_index_may_be_damaged_or_deleted(large: Home, damage: str) -> None:
    assert lookup_in_a_new_process(large, "user7@example.test") is not None
    index = Path(large.run, "passwd.index")
    data = index.read_bytes()
    if damage == "gone":
        index.unlink()
    else:
        broken = {"empty": b"", "short": data[:-8], "odd": data[:-3], "zeros": bytes(len(data))}
        index.write_bytes(broken.get(damage, data[:40] + data[48:56] + data[40:48] + data[56:]))
    assert lookup_in_a_new_process(large, "user7@example.test") is not None
    assert index.read_bytes() == data


def test_crash_while_the_index_is_written_harms_nothing(tmp_path: Path) -> None:
    def prepare(directory: Path) -> None:
        (directory / "users").mkdir()
        home = Home(str(directory))
        write(home, *(f"user{i}@example.test:{{PLAIN}}{'x' * 60}" for i in range(1000)))
        os.utime(home.passwd, (1e9, 1e9))

    for crash in crashes(tmp_path, lambda path: lookup_in_a_new_process(Home(str(path)), "user7@example.test"), prepare):
        home = Home(str(crash.directory))
        assert lookup_in_a_new_process(home, "user8@example.test") is not None
        assert os.listdir(home.run) == ["passwd.index"]


def test_index_of_the_old_file_is_not_used(large: Home) -> None:
    assert lookup_in_a_new_process(large, "user7@example.test") is not None
    edit.remove(large, "user7@example.test")
    assert lookup_in_a_new_process(large, "user7@example.test") is None
    assert lookup_in_a_new_process(large, "user999@example.test") is not None


def test_index_that_cannot_be_written_is_done_without(large: Home) -> None:
    os.rmdir(large.run)
    Path(large.run).write_text("no directory")
    assert lookup_in_a_new_process(large, "user7@example.test") is not None


RUBBISH = b"# a comment\n\nno colon\r\nbob@example.test:{PLAIN}b::::::x=1\r\n\xff\xfe:\x80\nlast@example.test:y"


def test_edits_leave_every_other_octet(home: Home) -> None:
    path = Path(home.passwd)
    path.write_bytes(RUBBISH)
    edit.add(home, User("new@example.test", "n"))
    assert path.read_bytes() == RUBBISH + b"\nnew@example.test:n::::::\n"
    edit.change(home, "bob@example.test", lambda user: user.fields.update(y="2"))
    assert path.read_bytes() == RUBBISH.replace(b"x=1", b"x=1 y=2") + b"\nnew@example.test:n::::::\n"
    edit.remove(home, "NEW@example.test")
    edit.remove(home, "bob@example.test")
    assert path.read_bytes() == RUBBISH.replace(b"bob@example.test:{PLAIN}b::::::x=1\r\n", b"") + b"\n"


def test_refused_edits_change_nothing(home: Home) -> None:
    write(home, "a@example.test:x", "b@example.test:y")
    before = Path(home.passwd).read_bytes()
    with pytest.raises(Perm):
        edit.add(home, User("a@example.test", "z"))
    with pytest.raises(Perm):
        edit.change(home, "nobody@example.test", lambda user: None)
    with pytest.raises(Perm):
        edit.remove(home, "nobody@example.test")
    with pytest.raises(Perm):
        edit.change(home, "a@example.test", lambda user: setattr(user, "address", "b@example.test"))
    for bad in ({"gecos": "a:b"}, {"gecos": "a\nx@y.test:"}, {"fields": {"k": "a b"}}, {"fields": {"a=b": ""}}):
        with pytest.raises(ValueError):
            edit.add(home, User("c@example.test", "z", **bad))  # type: ignore[arg-type]
    assert Path(home.passwd).read_bytes() == before
    assert sorted(os.listdir(os.path.dirname(home.passwd))) == ["passwd", "passwd.lock"]


def test_mode_stays(home: Home) -> None:
    write(home, "a@example.test:x")
    os.chmod(home.passwd, 0o640)
    edit.add(home, User("b@example.test", "z"))
    assert os.stat(home.passwd).st_mode & 0o777 == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_file_stays_its_owners_when_root_edits(home: Home) -> None:
    os.chown(os.path.dirname(home.passwd), 1234, 1235)
    edit.add(home, User("a@example.test", "x"))
    edit.add(home, User("b@example.test", "x"))
    for name in ("passwd", "passwd.lock"):
        stat = os.stat(os.path.join(os.path.dirname(home.passwd), name))
        assert (stat.st_uid, stat.st_gid) == (1234, 1235)


@pytest.mark.parametrize("operation", ["create", "write", "sync", "rename", "sync_dir"])
def test_a_disk_that_refuses_leaves_the_old_file_or_the_new_one(
    operation: str, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home, "alice@example.test:{PLAIN}x::::::\n")
    old = Path(home.passwd).read_bytes()

    def sick(done: str, *args: object) -> None:
        if done == operation:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(files, "fault", sick)
    with pytest.raises(OSError, match="Input/output"):
        edit.add(home, User("bob@example.test", "{PLAIN}x"))
    monkeypatch.setattr(files, "fault", None)
    found = Path(home.passwd).read_bytes()
    assert found == old if operation != "sync_dir" else found.startswith(old)
    assert not list(Path(home.passwd).parent.glob("*.tmp"))


@pytest.mark.parametrize("what", ["add", "change", "remove"])
def test_crash_leaves_the_old_file_or_the_new_one(tmp_path: Path, what: str) -> None:
    old = b"a@example.test:x::::::\n# c\nb@example.test:y::::::\n"
    new = {
        "add": old + b"c@example.test:z::::::\n",
        "change": old.replace(b":y:", b":w:"),
        "remove": old.replace(b"b@example.test:y::::::\n", b""),
    }[what]

    def prepare(directory: Path) -> None:
        (directory / "users").mkdir()
        (directory / "users" / "passwd").write_bytes(old)

    def scenario(directory: Path) -> None:
        home = Home(str(directory))
        if what == "add":
            edit.add(home, User("c@example.test", "z"))
        elif what == "change":
            edit.change(home, "b@example.test", lambda user: setattr(user, "hash", "w"))
        else:
            edit.remove(home, "b@example.test")

    ends = set()
    for crash in crashes(tmp_path, scenario, prepare):
        found = (crash.directory / "users" / "passwd").read_bytes()
        assert found == new if crash.done else found in (old, new)
        ends.add(found == new)
        # The next editor is not stopped by what a dead one left, and clears it away.
        home = Home(str(crash.directory))
        edit.add(home, User("next@example.test", "n"))
        assert Path(home.passwd).read_bytes() == found + b"next@example.test:n::::::\n"
        assert not list((crash.directory / "users").glob("*.tmp"))
    assert ends == {True, False}


_RACER = """
import sys
from mailkit.control import Home
from mailkit.users import edit
from mailkit.users.passwd import User
home = Home(sys.argv[1])
for i in range(25):
    edit.add(home, User(f"{sys.argv[2]}{i}@example.test", "x"))
    edit.change(home, "shared@example.test", lambda user: user.fields.update({f"{sys.argv[2]}{i}": ""}))
    if i % 5 == 4:
        edit.remove(home, f"{sys.argv[2]}{i - 1}@example.test")
"""


def test_two_processes_editing_lose_nothing(home: Home) -> None:
    write(home, "shared@example.test:x")
    command = [sys.executable, "-c", _RACER, home.path]
    racers = [subprocess.Popen([*command, name], env=environment()) for name in ("p", "q")]
    assert [racer.wait(60) for racer in racers] == [0, 0]
    found = {user.address: user for user in Passwd(home).users()}
    kept = {f"{name}{i}@example.test" for name in "pq" for i in range(25) if i % 5 != 3}
    assert set(found) == kept | {"shared@example.test"}
    assert set(found["shared@example.test"].fields) == {f"{name}{i}" for name in "pq" for i in range(25)}
