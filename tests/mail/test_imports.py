"""The value layer starts lean: no module of the standard library that costs a program its start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import mailkit.mail

FOLDER = Path(mailkit.mail.__file__).parent
ALLOWED = {"__future__", "binascii", "mailkit"}


def test_importing_everything_loads_nothing_heavy() -> None:
    names = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")
    program = "\n".join(
        [
            f"import sys; sys.path.insert(0, {str(FOLDER.parent.parent)!r}); before = set(sys.modules)",
            *(f"import mailkit.mail.{name}" for name in names),
            "import mailkit.lines",
            "print(*{name.partition('.')[0] for name in set(sys.modules) - before})",
        ]
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= ALLOWED
