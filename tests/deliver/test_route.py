"""Which way an address goes: the table of mailkit-addresses(7), row by row."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailkit.deliver import route
from mailkit.exits import Temp
from tests.deliver.homes import make


def way(path: Path, address: str, **settings: str) -> str:
    """The verdict in one line: user/extension, -> targets, or the refusal."""
    home = make(path, **settings)
    verdict = route.judge(home, address)
    assert verdict.steps or verdict.code in ("5.1.2", "5.1.3")
    if verdict.targets:
        return "-> " + " ".join(verdict.targets)
    if verdict.kind == "local":
        assert verdict.user is not None
        return verdict.user.address + (f" / {verdict.extension}" if verdict.extension else "")
    return f"{verdict.kind} {verdict.code or verdict.domain}"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("bob@example.test", "bob@example.test"),
        ("BOB@Example.TEST", "bob@example.test"),
        ("bob+shop@example.test", "bob@example.test / shop"),
        ("bob+a+b@example.test", "bob@example.test / a+b"),
        ("bob-shop@example.test", "unknown 5.1.1"),
        ("nobody@example.test", "unknown 5.1.1"),
        ("bob@second.test", "unknown 5.1.1"),
        ("postmaster@example.test", "unknown 5.1.1"),
        ("carol@example.net", "remote example.net"),
        ("Carol@EXAMPLE.net", "remote example.net"),
        ('"a b"@example.net', "remote example.net"),
        ("carol@[192.0.2.1]", "remote [192.0.2.1]"),
        ("carol@bücher.example", "remote xn--bcher-kva.example"),
        ("bob@example..test", "unknown 5.1.2"),
        ("../bob@example.test", "unknown 5.1.3"),
        ("bob..x@example.test", "unknown 5.1.3"),
        ('"a b"@example.test', "unknown 5.1.3"),
        ("a/../bob@example.test", "unknown 5.1.3"),
    ],
)
def test_users_extensions_and_the_rest_of_the_world(tmp_path: Path, address: str, expected: str) -> None:
    assert way(tmp_path, address) == expected


def test_the_local_part_keeps_its_case_on_the_way_out(tmp_path: Path) -> None:
    assert route.judge(make(tmp_path), "Carol.X@EXAMPLE.net").address == "Carol.X@example.net"


def test_separators_are_what_control_says(tmp_path: Path) -> None:
    assert way(tmp_path, "bob-x+y@example.test", separators="-+") == "bob@example.test / x+y"
    assert way(tmp_path, "alice-bob-x@example.test", separators="-", users="alice-bob bob") == (
        "alice-bob@example.test / x"
    )


ALIASES = """
sales@example.test: alice, carol@example.net
one@example.test: bob
gone@example.test: nobody
out@example.test: carol@example.net
bob@example.test: bob, alice
team@example.test: sales, bob
tag@example.test: alice+tagged
list-*@example.test: alice+*
*@second.test: *@example.test
"""


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("sales@example.test", "-> alice@example.test carol@example.net"),
        ("sales+x@example.test", "-> alice@example.test carol@example.net"),
        ("one@example.test", "-> bob@example.test alice@example.test"),
        ("out@example.test", "-> carol@example.net"),
        ("gone@example.test", "unknown 5.1.1"),
        ("bob@example.test", "-> bob@example.test alice@example.test"),
        ("team@example.test", "-> alice@example.test carol@example.net bob@example.test"),
        ("tag@example.test", "alice@example.test / tagged"),
        ("list-dogs@example.test", "alice@example.test / dogs"),
        ("alice@second.test", "alice@example.test"),
        ("nobody@second.test", "unknown 5.1.1"),
    ],
)
def test_aliases(tmp_path: Path, address: str, expected: str) -> None:
    assert way(tmp_path, address, aliases=ALIASES) == expected


def test_an_alias_that_names_itself_means_the_mailbox_once_it_was_expanded(tmp_path: Path) -> None:
    home = make(tmp_path, aliases=ALIASES)
    verdict = route.judge(home, "bob@example.test", expanded=True)
    assert verdict.user is not None and verdict.user.address == "bob@example.test"


def test_a_catch_all_takes_only_what_nobody_else_takes(tmp_path: Path) -> None:
    aliases = "@example.test: alice+caught\nsales@example.test: bob\n"
    assert way(tmp_path, "nobody@example.test", aliases=aliases) == "alice@example.test / caught"
    assert way(tmp_path, "bob@example.test", aliases=aliases) == "bob@example.test"
    assert way(tmp_path, "bob+x@example.test", aliases=aliases) == "bob@example.test / x"
    assert way(tmp_path, "sales@example.test", aliases=aliases) == "bob@example.test"
    assert way(tmp_path, "nobody@second.test", aliases=aliases) == "unknown 5.1.1"


def test_postmaster_exists_everywhere_when_somebody_was_named(tmp_path: Path) -> None:
    assert way(tmp_path, "Postmaster@second.test", postmaster="bob@example.test") == "bob@example.test"
    assert way(tmp_path, "abuse@example.test", postmaster="bob@example.test") == "bob@example.test"
    assert way(tmp_path, "postmaster", postmaster="bob@example.test", me="example.test") == "bob@example.test"
    assert way(tmp_path, "postmaster@example.test", postmaster="postmaster@example.test") == "unknown 5.1.1"


def test_a_disabled_user_is_refused_with_its_own_code(tmp_path: Path) -> None:
    home = make(tmp_path)
    Path(home.passwd).write_text("bob@example.test:{PLAIN}x::::::disabled\n")
    verdict = route.judge(home, "bob+x@example.test")
    assert (verdict.kind, verdict.code, verdict.deliverable) == ("disabled", "5.2.1", False)


def test_aliases_that_go_round_in_circles_are_temporary_trouble(tmp_path: Path) -> None:
    home = make(tmp_path, aliases="a@example.test: b\nb@example.test: a\n")
    with pytest.raises(Temp) as raised:
        route.judge(home, "a@example.test")
    assert raised.value.code == "4.4.6"


def test_an_edit_is_seen_by_the_next_look(tmp_path: Path) -> None:
    home = make(tmp_path)
    assert route.judge(home, "x@third.test").kind == "remote"
    Path(home.path, "control", "domains").write_text("example.test\nthird.test\n")
    assert route.judge(home, "x@third.test").kind == "unknown"


def test_the_steps_say_which_file_decided(tmp_path: Path) -> None:
    home = make(tmp_path, aliases="tag@example.test: alice+tagged\n")
    assert route.judge(home, "tag@example.test").steps == [
        "tag@example.test stands for alice+tagged@example.test (users/aliases)",
        "alice@example.test is a user (users/passwd)",
    ]


def test_what_was_found_for_a_user_holds_no_longer_than_the_files_it_was_found_in(tmp_path: Path) -> None:
    home = make(tmp_path)
    passwd, aliases, domains = Path(home.passwd), Path(home.aliases), Path(home.control.directory, "domains")
    lines, hosted = passwd.read_text(), domains.read_text()

    def found() -> tuple[str, str, list[str]]:
        verdict = route.judge(home, "bob@example.test")
        return verdict.kind, verdict.user.address if verdict.user is not None else "", verdict.targets

    plain = ("local", "bob@example.test", [])
    assert [found(), found()] == [plain, plain]
    aliases.write_text("bob@example.test: alice@example.test, x@example.net\n")
    assert found()[2] == ["alice@example.test", "x@example.net"]
    aliases.unlink()
    assert [found(), found()] == [plain, plain]
    passwd.write_text(lines.replace("bob@example.test:", "bobby@example.test:"))
    assert found() == ("unknown", "", [])
    passwd.write_text(lines)
    assert [found(), found()] == [plain, plain]
    domains.write_text("second.test\n")
    assert found() == ("remote", "", [])
    domains.write_text(hosted)
    assert found() == plain


def test_who_was_found_may_be_full_or_locked_out_the_next_time(tmp_path: Path) -> None:
    home = make(tmp_path)
    passwd = Path(home.passwd)
    lines = passwd.read_text()
    assert [route.judge(home, "bob@example.test").kind for _ in range(2)] == ["local"] * 2
    bob = next(line for line in lines.splitlines() if line.startswith("bob@"))
    passwd.write_text(lines.replace(bob, bob + "userdb_quota_rule=*:storage=10B"))
    kinds = [route.judge(home, "bob@example.test", octets=octets).kind for octets in (5, 50, 5)]
    assert kinds == ["local", "overquota", "local"]


def test_mail_that_goes_out_needs_no_user_data(tmp_path: Path) -> None:
    home = make(tmp_path)
    Path(home.passwd).unlink()
    assert route.judge(home, "carol@example.net").kind == "remote"
