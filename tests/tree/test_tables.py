"""Tables of strings name things that exist; the lists that must agree do."""

from __future__ import annotations

import configparser
import importlib
import re
from collections.abc import Iterator

import pytest

from tests.tree.test_layers import MODULES, ROOT

_REFERENCE = re.compile(r"(mailkit(?:\.\w+)+):(\w+)")


def references() -> Iterator[tuple[str, str, str]]:
    """Every "package.module:name" that stands in a string of the source."""
    for module, path in MODULES.items():
        for match in _REFERENCE.finditer(path.read_text()):
            yield module, match[1], match[2]


@pytest.mark.parametrize(("module", "target", "name"), sorted(set(references())))
def test_every_reference_resolves(module: str, target: str, name: str) -> None:
    assert hasattr(importlib.import_module(target), name)


def test_setup_installs_every_program() -> None:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    listed = parser["options"]["scripts"].split()
    assert listed == sorted(f"bin/{path.name}" for path in (ROOT / "bin").iterdir())


@pytest.mark.parametrize("path", sorted((ROOT / "bin").iterdir()), ids=lambda path: path.name)
def test_programs_are_three_lines(path: object) -> None:
    name = path.name.removeprefix("mailkit-")  # type: ignore[attr-defined]
    assert path.read_text() == (  # type: ignore[attr-defined]
        f"#!/usr/bin/env python3\nimport sys\nfrom mailkit.programs.{name} import main\nsys.exit(main())\n"
    )
    assert path.stat().st_mode & 0o111  # type: ignore[attr-defined]
