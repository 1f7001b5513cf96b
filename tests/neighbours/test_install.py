"""An installed mailkit has every program and its page."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

from tests.harness.programs import absent
from tests.tree.test_layers import ROOT


def test_every_program_is_installed_with_its_page() -> None:
    try:
        importlib.metadata.distribution("mailkit")
    except importlib.metadata.PackageNotFoundError:
        absent("mailkit is not installed in this environment (make test does)")
    prefix = Path(sys.prefix)
    for program in sorted((ROOT / "bin").iterdir()):
        installed = prefix / "bin" / program.name
        assert installed.stat().st_mode & 0o111
        assert str(prefix) in installed.read_text().splitlines()[0], "runs with the interpreter it was installed for"
        assert list((prefix / "share/man").glob(f"man?/{program.name}.?")), program.name
    for page in (ROOT / "man").iterdir():
        assert (prefix / "share/man" / f"man{page.suffix[1]}" / page.name).exists()
