"""The bench's own arithmetic, and that its parts can be loaded."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).parents[2] / "contrib" / "bench"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Imports modules of the bench, which are programs and no package."""
    monkeypatch.syspath_prepend(str(BENCH))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_help_names_every_part(module: object) -> None:
    done = subprocess.run([sys.executable, BENCH / "run", "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    parts = {path.stem for path in (BENCH / "parts").glob("*.py")} - {"__init__"}
    assert parts <= set(done.stdout.replace(",", " ").split())


def test_every_part_runs(module: object) -> None:
    for path in (BENCH / "parts").glob("[a-z]*.py"):
        part: ModuleType = module(f"parts.{path.stem}")  # type: ignore[operator]
        assert callable(part.run)


def test_ratio_is_of_medians(module: object, capsys: pytest.CaptureFixture[str]) -> None:
    table = module("table")  # type: ignore[operator]
    result = table.Table("Title", "ours", "theirs")
    result.add("rate", "msg/s", [10.0, 30.0, 20.0], [5.0, 2000.0, 10.0], "1 or more")
    result.add("alone", "ms", [0.5], [])
    assert str(result).splitlines()[-2:] == [
        "| rate | msg/s | 20.0 [10.0-30.0] | 10.0 [5.00-2,000] | 2.00 | 1 or more |",
        "| alone | ms | 0.50 | - | - |  |",
    ]
    assert "ratio 2.00" in capsys.readouterr().out


def test_corpus_is_the_same_every_time(module: object, tmp_path: Path) -> None:
    corpus = module("corpus")  # type: ignore[operator]
    for name, messages in (("a", 30), ("b", 40)):
        corpus.make(tmp_path / name, messages, folders=1)
    first = {path.name: path.read_bytes() for path in (tmp_path / "a" / "cur").iterdir()}
    second = {path.name: path.read_bytes() for path in (tmp_path / "b" / "cur").iterdir()}
    assert len(first) == 30
    assert first.items() <= second.items()
    assert len(list((tmp_path / "a" / ".box0000" / "cur").iterdir())) == 20


def test_tree_has_the_children(module: object) -> None:
    measure = module("measure")  # type: ignore[operator]
    child = subprocess.Popen(["sleep", "60"])
    try:
        assert child.pid in measure.tree(os.getpid())
        assert measure.memory(os.getpid())["processes"] >= 1
        assert measure.cpu_s(os.getpid()) > 0
    finally:
        child.kill()
        child.wait()
