"""contrib/compile: compiled modules answer as the others do, and nothing of them stays behind."""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from tests.harness.homes import make_home, set_control
from tests.harness.programs import absent, need, only_with_everything
from tests.mail import soup
from tests.tree.test_layers import ROOT

LISTING = "mailkit/__init__.py,,\n"
ASKED = b"""a LOGIN alice@example.test secret
b SELECT INBOX
c FETCH 1:* (ENVELOPE BODYSTRUCTURE INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT)] PREVIEW)
d SORT (FROM DATE SUBJECT) UTF-8 ALL
e THREAD REFERENCES UTF-8 ALL
f SEARCH TEXT word
g LOGOUT
""".replace(b"\n", b"\r\n")


class Installation:
    """mailkit in an environment of its own, that may use the packages of ours as well."""

    def __init__(self, place: Path, packages: str) -> None:
        venv.create(place, with_pip=False, symlinks=True)
        self.python = place / "bin" / "python"
        self.site = place / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
        self.listing = self.site / "mailkit-0.dist-info" / "RECORD"
        self.environment = {**os.environ, "PYTHONPATH": packages}

    def install(self) -> None:
        shutil.copytree(ROOT / "mailkit", self.site / "mailkit", ignore=shutil.ignore_patterns("__pycache__"))
        self.listing.parent.mkdir()
        self.listing.write_text(LISTING)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [self.python, ROOT / "contrib" / "compile", *words]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)

    def compiled(self) -> list[str]:
        return sorted(str(path.relative_to(self.site)) for path in self.site.rglob("*.so"))


def answers(modules: Path, maildir: Path, home: str) -> bytes:
    """What imapd of these modules says of a folder that it has never seen."""
    for known in maildir.glob("mailkit-*"):
        shutil.rmtree(known) if known.is_dir() else known.unlink()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(modules), sysconfig.get_path("purelib")])}
    command = [sys.executable, str(ROOT / "bin" / "mailkit-imapd"), "--home", home]
    said = subprocess.run(command, env=environment, input=ASKED, capture_output=True, check=True).stdout
    return said.partition(b"\r\nb OK")[2]  # HIGHESTMODSEQ begins with the time


def messages(count: int) -> list[bytes]:
    """What looks like mail and is mostly damaged; the same at each run."""
    dice = random.Random(5322)
    return [b"".join(dice.choices(soup.PIECES, k=dice.randrange(60))) for _ in range(count)]


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "venv", packages="")
    nothing = installation.run()
    assert (nothing.returncode, nothing.stdout) == (100, "")
    assert f"mailkit is not installed in {installation.site}" in nothing.stderr
    installation.install()
    no_compiler = installation.run()
    assert (no_compiler.returncode, no_compiler.stdout) == (100, "")
    assert "pip install mypy" in no_compiler.stderr
    assert installation.compiled() == []


def test_compiled_modules_answer_as_the_others(tmp_path: Path) -> None:
    only_with_everything("compiling takes half a minute")
    need("gcc")
    for name in ("mypyc", "setuptools"):
        if importlib.util.find_spec(name) is None:
            absent(f"the package {name} is not installed")
    (tmp_path / "home").mkdir()
    home = make_home(tmp_path / "home")
    set_control(home, "clearauth", "yes")
    maildir = Path(home.domains, "example.test", "alice", "Maildir")
    for number, message in enumerate(messages(500)):
        (maildir / "cur" / f"{1700000000 + number}.M1P1.test:2,").write_bytes(message)
    installation = Installation(tmp_path / "venv", packages=sysconfig.get_path("purelib"))
    installation.install()
    answers(ROOT, maildir, home.path)  # gives the UIDs
    before = answers(ROOT, maildir, home.path)

    done = installation.run()
    assert done.returncode == 0, done.stderr
    names = installation.compiled()
    assert any("maildir/pieces" in name for name in names) and all(name.startswith("mailkit/") for name in names)
    assert sorted(line.partition(",")[0] for line in installation.listing.read_text().splitlines()[1:]) == names
    assert before.count(b"* ") > 500
    assert answers(installation.site, maildir, home.path) == before

    removed = installation.run("--remove")
    assert removed.returncode == 0 and installation.compiled() == []
    assert installation.listing.read_text() == LISTING
