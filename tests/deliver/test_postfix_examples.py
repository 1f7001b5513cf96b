"""The examples of Postfix's virtual(5), VIRTUAL_README and aliases(5), as mailkit-aliases(5) says they are written here.

What is in the comments is Postfix's line; what is expected is what Postfix does with it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.deliver import route
from tests.deliver.homes import MESSAGE, make
from tests.deliver.test_instructions import deliver, sent_on

EXAMPLE = "example.test"


def ends(home: Home, address: str) -> list[str]:
    """Where mail to an address ends: addresses, or the refusal."""
    verdict = route.judge(home, address)
    if verdict.targets:
        return verdict.targets
    return [verdict.address] if verdict.deliverable else [f"{verdict.kind} {verdict.code}"]


# VIRTUAL_README, "virtual alias domains": every user of other domains has a mailbox here under another name.
#     postmaster@example.com postmaster        info@example.com joe        sales@example.com jane
#     @example.com jim
DOMAIN = """
postmaster@second.test: postmaster@example.test
info@second.test: joe@example.test
sales@second.test: jane@example.test
"""


@pytest.mark.parametrize(
    ("address", "catch_all", "expected"),
    [
        ("info@second.test", False, ["joe@example.test"]),
        ("Sales@Second.test", False, ["jane@example.test"]),
        ("postmaster@second.test", False, ["postmaster@example.test"]),
        ("joe@second.test", False, ["unknown 5.1.1"]),  # only what is listed exists
        ("joe@second.test", True, ["jim@example.test"]),
        ("info@second.test", True, ["joe@example.test"]),
    ],
)
def test_a_domain_of_aliases(tmp_path: Path, address: str, catch_all: bool, expected: list[str]) -> None:
    aliases = DOMAIN + ("@second.test: jim@example.test\n" if catch_all else "")
    assert ends(make(tmp_path, "joe jane jim postmaster", aliases), address) == expected


# VIRTUAL_README, "mail forwarding domains".
#     postmaster@example.com postmaster     joe@example.com joe@somewhere     jane@example.com jane@somewhere-else
FORWARDING = """
joe@second.test: joe@somewhere.example
jane@second.test: jane@somewhere-else.example
@second.test: jim@yet-another-site.example
"""


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("joe@second.test", ["joe@somewhere.example"]),
        ("jane@second.test", ["jane@somewhere-else.example"]),
        ("anybody@second.test", ["jim@yet-another-site.example"]),
    ],
)
def test_a_domain_that_forwards(tmp_path: Path, address: str, expected: list[str]) -> None:
    assert ends(make(tmp_path, "joe", FORWARDING), address) == expected


# VIRTUAL_README, "autoreplies": user@domain.tld user@domain.tld, user@domain.tld@autoreply.mydomain.tld
def test_a_copy_to_the_autoresponder_beside_the_mailbox(tmp_path: Path) -> None:
    home = make(tmp_path, "user", "user@example.test: user@example.test, user=example.test@autoreply.example\n")
    assert ends(home, "user@example.test") == ["user@example.test", "user=example.test@autoreply.example"]
    # The second time it is the mailbox.
    again = route.judge(home, "user@example.test", expanded=True)
    assert again.user is not None


# virtual(5), "TABLE SEARCH ORDER": user@domain before @domain; "recursive": the result is looked up again.
def test_results_are_looked_up_again_until_nothing_changes(tmp_path: Path) -> None:
    aliases = "all@example.test: staff, boss@example.test\nstaff@example.test: joe, jane\nboss@example.test: jane\n"
    assert ends(make(tmp_path, "joe jane", aliases), "all@example.test") == ["joe@example.test", "jane@example.test"]


# aliases(5): name: value1, value2, ... with values of every kind, in the domain's dot files here.
def dot(home: Home, name: str, text: str) -> Path:
    directory = Path(home.domains, EXAMPLE)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f".qmail-{name}"
    path.write_text(text)
    path.chmod(0o644)
    return directory


def test_mail_to_a_file(tmp_path: Path) -> None:  # archive: /file/name
    home = make(tmp_path)
    directory = dot(home, "archive", "./archive\n")
    assert deliver(home, "archive@example.test").ok
    assert deliver(home, "archive@example.test").ok
    assert (directory / "archive").read_bytes().count(b"\nSubject: hello\n") == 2


def test_mail_to_a_command(tmp_path: Path) -> None:  # robot: "|command with arguments"
    home = make(tmp_path)
    directory = dot(home, "robot", "|tee seen | grep -c Subject >count\n")
    assert deliver(home, "robot@example.test").ok
    assert (directory / "seen").read_bytes() == MESSAGE
    assert (directory / "count").read_bytes() == b"1\n"


def test_the_owner_of_a_list_gets_its_bounces(tmp_path: Path) -> None:
    # list: :include:/file/name        owner-list: bob
    home = make(tmp_path)
    dot(home, "list", "+list\ncarol@example.net\ndave@elsewhere.example\n")
    dot(home, "list-owner", "&bob\n")
    assert deliver(home, "list@example.test").ok
    assert sent_on(home) == [("list-owner@example.test", ["carol@example.net", "dave@elsewhere.example"])]
    assert ends(home, "list-owner@example.test") == ["list-owner@example.test"]


def test_a_command_that_refuses_is_told_with_its_words(tmp_path: Path) -> None:
    home = make(tmp_path)
    dot(home, "gone", "|echo moved to example.net; exit 67\n")
    result = deliver(home, "gone@example.test")
    assert (result.status, result.text) == ("perm", "moved to example.net")
