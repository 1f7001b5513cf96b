"""users.aliases: exact, pattern, catch-all; nested; circles."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailkit.control import Home
from mailkit.exits import Perm, Temp
from mailkit.users import aliases
from mailkit.users.aliases import Aliases
from tests.harness.crash import crashes
from tests.users.conftest import passwd

FILE = """\
# who gets what
sales@example.test: alice, Bob@Elsewhere.example
team@example.test: sales, carol, sales
alice@example.test: alice, archive@elsewhere.example
list-*@example.test: bob+*
*@old.test: *@example.test
*-owner@example.test: bob
@example.test: postmaster
@catch.test: alice@example.test
one@example.test: two
two@example.test: three
three@example.test: one
self@example.test: self
PostMaster@Example.test: bob
"""


@pytest.fixture
def people(home: Home) -> Home:
    Path(home.aliases).write_text(FILE)
    passwd(home, *(f"{name}@example.test:x" for name in ("alice", "bob", "carol", "list-user")))
    return home


@pytest.mark.parametrize(
    ("address", "targets"),
    [
        ("sales@example.test", ["alice@example.test", "archive@elsewhere.example", "Bob@Elsewhere.example"]),
        ("SALES@EXAMPLE.TEST", ["alice@example.test", "archive@elsewhere.example", "Bob@Elsewhere.example"]),
        ("team@example.test",
         ["alice@example.test", "archive@elsewhere.example", "Bob@Elsewhere.example", "carol@example.test"]),
        ("alice@example.test", ["alice@example.test", "archive@elsewhere.example"]),
        ("bob@example.test", []),  # a user, whom the catch-all does not get
        ("list-user@example.test", []),
        ("list-x.y@example.test", ["bob+x.y@example.test"]),
        ("list-@example.test", ["bob@example.test"]),  # * is something: this falls to the catch-all
        ("x-owner@example.test", ["bob@example.test"]),
        ("nobody@example.test", ["bob@example.test"]),
        ("carol@old.test", ["carol@example.test"]),
        ("nobody@old.test", ["bob@example.test"]),
        ("anybody@catch.test", ["alice@example.test", "archive@elsewhere.example"]),
        ("anybody@elsewhere.example", []),
        ("self@example.test", ["self@example.test"]),
        ("rubbish", []),
    ],
)  # fmt: skip
def test_where_an_address_leads(people: Home, address: str, targets: list[str]) -> None:
    for _ in range(3):
        assert Aliases(people).expand(address, _is_known) == targets


def _is_known(name: str) -> bool:
    local, _, domain = name.partition("@")
    return domain.lower() == "example.test" and local in ("alice", "bob", "carol", "list-user", "bob+x.y")


def test_star_of_the_target_is_what_matched(people: Home) -> None:
    assert Aliases(people).pattern("list-x.y@example.test") == ["bob+x.y@example.test"]
    assert Aliases(people).pattern("x@old.test") == ["x@example.test"]
    assert Aliases(people).pattern("x@new.test") is None


def test_users_of_the_passwd_file_are_known(people: Home) -> None:
    assert Aliases(people).expand("bob@example.test") == []
    assert Aliases(people).expand("nobody@example.test") == ["bob@example.test"]


@pytest.mark.parametrize("address", ["one@example.test", "two@example.test"])
def test_circle_is_temporary_trouble(people: Home, address: str) -> None:
    with pytest.raises(Temp) as caught:
        Aliases(people).expand(address)
    assert caught.value.code == "4.4.6"


def test_long_chain_and_wide_tree_end(home: Home) -> None:
    Path(home.passwd).touch()
    Path(home.aliases).write_text("".join(f"a{i}@x.test: a{i + 1}\n" for i in range(40)))
    with pytest.raises(Temp):
        Aliases(home).expand("a0@x.test")
    assert Aliases(home).expand("a20@x.test") == ["a40@x.test"]
    wide = "".join(f"a{i}@x.test: a{i + 1}, b{i}, b{i}\nb{i}@x.test: a{i + 1}\n" for i in range(20))
    Path(home.aliases).write_text(wide)
    with pytest.raises(Temp):
        Aliases(home).expand("a0@x.test")


def test_steps_explain(people: Home) -> None:
    assert list(Aliases(people).steps("sales@example.test")) == [
        ("sales@example.test", ["alice@example.test", "Bob@Elsewhere.example"], 0),
        ("alice@example.test", ["alice@example.test", "archive@elsewhere.example"], 1),
        ("alice@example.test", None, 2),
        ("archive@elsewhere.example", None, 2),
        ("Bob@Elsewhere.example", None, 1),
    ]


def test_damaged_lines_are_named_and_skipped(home: Home, logged: list[str]) -> None:
    Path(home.aliases).write_text("no colon\na@x.test:\nb@x.test: c d\na@x.test: good\n*@*@x.test: y\n* : z\n*: z\n")
    assert Aliases(home).exact("a@x.test") == ["good@x.test"]
    with pytest.raises(Temp, match="line 3: target 'c d'"):
        Aliases(home).exact("b@x.test")
    assert [number for number, _ in Aliases(home).damaged()] == [1, 2, 3, 5, 6, 7]
    for _ in range(2):
        Aliases(home).pattern("q@x.test")
    assert [line.split(" line=")[1].split()[0] for line in logged] == ["2", "3", "5", "6", "7"]


def test_a_damaged_alias_is_trouble_and_not_an_unknown_address(home: Home) -> None:
    Path(home.aliases).write_text("foo@example.test:\nbar@example.test: bob@example.test\n")
    with pytest.raises(Temp, match="aliases line 1: names no target"):
        Aliases(home).exact("foo@example.test")
    assert Aliases(home).exact("bar@example.test") == ["bob@example.test"]


@pytest.mark.parametrize(
    "target", [":include:/srv/list", "|/usr/bin/robot", "/srv/archive", "<bob>", "bob@x@x.test", "b;c"]
)
def test_what_other_systems_write_there_is_damage_and_not_an_unknown_user(home: Home, target: str) -> None:
    Path(home.aliases).write_text(f"foo@example.test: {target}\n")
    with pytest.raises(Temp, match="aliases line 1: target"):
        Aliases(home).exact("foo@example.test")


@pytest.mark.parametrize(
    "target", ["a/b@x.test", "|b@x.test", "o'neil@x.test", "list+*", "jos\u00e9@x.test", "a..b@x.test"]
)
def test_unusual_targets(home: Home, target: str) -> None:
    Path(home.aliases).write_text(f"foo@example.test: {target}\n")
    assert Aliases(home).exact("foo@example.test") == [target if "@" in target else f"{target}@example.test"]


@given(st.binary(max_size=80))
def test_any_line_is_an_alias_or_a_value_error(line: bytes) -> None:
    try:
        alias = aliases.parse(line)
    except ValueError:
        return
    assert aliases.parse(alias.line()).targets == alias.targets


def test_an_edit_is_seen(people: Home) -> None:
    found = Aliases(people)
    assert found.exact("new@example.test") is None and found.pattern("x@new.test") is None
    aliases.add(people, "New@Example.test", ["bob"])
    aliases.add(people, "*@new.test", ["*@example.test"])
    assert found.exact("new@example.test") == ["bob@example.test"]
    assert found.pattern("x@new.test") == ["x@example.test"]


def test_add_and_remove_leave_the_other_lines(people: Home) -> None:
    path = Path(people.aliases)
    aliases.add(people, "sales@example.test", ["dave", "ALICE@example.test"])
    assert path.read_text() == FILE.replace(
        "sales@example.test: alice, Bob@Elsewhere.example",
        "sales@example.test: alice@example.test, Bob@Elsewhere.example, dave@example.test",
    )
    left = aliases.remove(people, "sales@example.test", ["alice", "dave"])
    assert left is not None and left.targets == ["Bob@Elsewhere.example"]
    assert aliases.remove(people, "sales@example.test", []) is None
    assert path.read_text() == FILE.replace("sales@example.test: alice, Bob@Elsewhere.example\n", "")
    with pytest.raises(Perm):
        aliases.remove(people, "sales@example.test", [])
    with pytest.raises(Perm):
        aliases.remove(people, "team@example.test", ["nobody"])


@pytest.mark.parametrize(
    ("key", "target"),
    [("x", "a@b.test"), ("a@b.test", "x y@b.test"), ("a@b.test", "x,y@b.test\n"), ("**@b.test", "x"), ("a b@c.test", "x"),
     ("@", "x"), ("a@b.test", '"q"@b.test'), ("a@b.test", "@b.test"), ("a@b.test", "x@b..test"), ("a@b.test", "")],
)  # fmt: skip
def test_bad_names_are_refused(home: Home, key: str, target: str) -> None:
    with pytest.raises(ValueError):
        aliases.add(home, key, [target])
    assert not Path(home.aliases).exists()


def test_crash_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    def prepare(directory: Path) -> None:
        (directory / "users").mkdir()
        (directory / "users" / "aliases").write_text("a@x.test: b\n")

    for crash in crashes(tmp_path, lambda path: aliases.add(Home(str(path)), "a@x.test", ["c"]), prepare):
        text = (crash.directory / "users" / "aliases").read_text()
        new = "a@x.test: b@x.test, c@x.test\n"
        assert text == new if crash.done else text in ("a@x.test: b\n", new)
