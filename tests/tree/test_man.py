"""Programs, control values and log words have their manual pages, and the pages are true."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mailkit import VERSION
from tests.harness.programs import need
from tests.harness.servers import environment
from tests.tree.test_layers import MODULES, ROOT

PROGRAMS = sorted(path.name for path in (ROOT / "bin").iterdir())
PAGES = sorted((ROOT / "man").glob("*.[1-8]"))


def page(name: str) -> str:
    """The source of a page, with mdoc's escapes for dashes undone."""
    path = max((ROOT / "man").glob(f"{name}.[1-8]"))  # mailkit-passwd: the program before the file
    return path.read_text().replace("\\-", "-")


def run(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "bin" / program), *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_option_is_in_the_page(program: str) -> None:
    help_text = run(program, "--help")
    assert help_text.returncode == 0, help_text.stderr
    before, *example = re.split(r"(?im)^\s*examples?:", help_text.stdout, maxsplit=1)
    assert example, "--help shows no example"  # which may name other programs' options
    options = set(re.findall(r"(?<![\w-])--([a-z][a-z-]+)", before)) - {"help", "version"}
    text = page(program)
    missing = sorted(name for name in options if not re.search(rf"Fl -{name}\b", text))
    assert not missing, f"{program}: the page does not tell of {missing}"


@pytest.mark.parametrize("program", PROGRAMS)
def test_version(program: str) -> None:
    assert run(program, "--version").stdout.strip() == f"{program} {VERSION}"


@pytest.mark.parametrize("program", PROGRAMS)
def test_wrong_use_is_told_in_one_line_and_exits(program: str) -> None:
    wrong = run(program, "--no-such-option")
    assert wrong.returncode in (64, 100), wrong.stderr
    assert "no-such-option" in wrong.stderr


def test_the_page_of_control_values_is_made_from_the_table() -> None:
    command = [sys.executable, str(ROOT / "contrib" / "control-page")]
    made = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert page("mailkit-control") == made.replace("\\-", "-"), "run contrib/control-page > man/mailkit-control.5"


def words() -> set[str]:
    """Every event word of the source."""
    found = set()
    for path in MODULES.values():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                called = ast.unparse(node.func)
                if called in ("log.event", "log.trace") or called.endswith(".name_damage"):
                    found |= {node.args[0].value} if isinstance(node.args[0], ast.Constant) else set()
    return found


def test_every_log_word_is_in_the_page() -> None:
    told = set(re.findall(r"^\.It Ic (\S+)", page("mailkit-log"), re.M))
    assert told == words()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_what_the_pages_point_to_exists(path: Path) -> None:
    """Files of the source that a page names."""
    named = re.findall(r"^\.Pa ((?:mailkit|tests|contrib|bin|man)/\S+)(?: [,.;:]+)?$", path.read_text(), re.M)
    missing = [name for name in named if not (ROOT / name).exists()]
    assert not missing


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_pages_are_clean_mdoc(path: Path) -> None:
    command = [need("mandoc"), "-Tlint", "-Wwarning", str(path)]
    lint = subprocess.run(command, capture_output=True, text=True, check=False)
    complaints = [line for line in lint.stdout.splitlines() if "referenced manual not found" not in line]
    assert not complaints, "\n".join(complaints)
