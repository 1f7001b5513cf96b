"""One dovecot-acl, Dovecot and us in turns: what one grants the other grants, and what one shows the other shows."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailkit.control import Home
from tests.harness import programs
from tests.imap import mailboxes
from tests.imap.pair import Client
from tests.neighbours.test_dovecot_maildir import Dovecot

pytestmark = pytest.mark.neighbour

ALICE = "alice@example.test"
_PLUGINS = """
mail_plugins = acl
protocol imap {
  mail_plugins = acl imap_acl
}
plugin {
  acl = vfile
  acl_anyone = allow
}
"""


@pytest.fixture
def home() -> Iterator[Home]:
    programs.need("/usr/lib/dovecot/imap")
    directory = tempfile.mkdtemp(prefix="acl-")
    made = mailboxes.make(Path(directory))
    for path in (directory, made.domains, made.join("domains", "example.test")):
        Path(path).chmod(0o755)  # Dovecot refuses to be root
    yield made
    shutil.rmtree(directory)


@pytest.fixture
def dovecot(home: Home) -> Dovecot:
    made = Dovecot(str(Path(mailboxes.inbox(home)).parent), ALICE)
    config = Path(made.home, "conf")
    config.write_text(config.read_text() + _PLUGINS)
    return made


def entries(answer: str) -> dict[str, str]:
    """Identifiers and rights of an ACL response, c and d left out."""
    (found,) = re.findall(r"\* ACL \"?Archive\"? (.*?)\r?$", answer, re.MULTILINE)
    words = [word.strip('"') for word in found.split(" ")]
    return {words[at]: "".join(sorted(set(words[at + 1]) - set("cd"))) for at in range(0, len(words), 2)}


def test_what_dovecot_grants(home: Home, dovecot: Dovecot) -> None:
    said = dovecot(
        "SETACL Archive bob@example.test lrs", "SETACL Archive $sales lrk", "SETACL Archive !$boss lrwstipekxa",
        "SETACL Archive -bob@example.test s", "SETACL Archive anyone l", "SETACL Archive authenticated lr", "GETACL Archive",
    )  # fmt: skip
    assert dovecot.log() == ""
    alice, bob = Client(home, ""), Client(home, "", user="bob")
    assert entries("\n".join(alice.do("GETACL Archive"))) == entries(said)
    assert bob.do(f'MYRIGHTS "Other Users/{ALICE}/Archive"')[0].endswith('/Archive" lr')
    alice.close()
    bob.close()


def test_what_we_grant(home: Home, dovecot: Dovecot) -> None:
    alice = Client(home, "")
    for identifier, rights in (("bob@example.test", "lrs"), ("$sales", "lrk"), ("!$boss", "lrwstipekxa"),
                               ("-bob@example.test", "s"), ("anyone", "l"), ("authenticated", "lr")):  # fmt: skip
        assert alice.do(f"SETACL Archive {identifier} {rights}") == ["OK SETACL completed"]
    ours = "\n".join(alice.do("GETACL Archive"))
    alice.close()
    theirs = dovecot("GETACL Archive", "SETACL Archive bob@example.test +w", "GETACL Archive")
    first, second = theirs.split("a1 OK", 1)
    assert entries(first) == entries(ours)
    assert dovecot.log() == ""
    assert entries(second) == {**entries(ours), "bob@example.test": "lrsw"}
