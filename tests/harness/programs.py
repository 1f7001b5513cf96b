"""Programs that are not ours: needed by some tests, skipped with a reason where they are missing."""

from __future__ import annotations

import os
import shutil
import sys

import pytest

_PLACES = os.pathsep.join([os.environ.get("PATH", ""), os.path.dirname(sys.executable), "/usr/sbin", "/sbin", "/usr/local/sbin"])


def need(program: str) -> str:
    """The program's path. Without it the test is skipped, or fails where MAILKIT_ALL_TESTS is set."""
    path = shutil.which(program, path=_PLACES)
    if path is None:
        absent(f"the program {program} is not installed")
        raise AssertionError("unreachable")
    return path


def absent(reason: str) -> None:
    """Something outside is missing: skip, or fail where MAILKIT_ALL_TESTS is set."""
    if os.environ.get("MAILKIT_ALL_TESTS"):
        pytest.fail(f"{reason}, and MAILKIT_ALL_TESTS is set")
    pytest.skip(reason)


def only_with_everything(what: str) -> None:
    """Skip a test that takes long, but where MAILKIT_ALL_TESTS is set: the suite that one waits for is short."""
    if not os.environ.get("MAILKIT_ALL_TESTS"):
        pytest.skip(f"{what}: only with MAILKIT_ALL_TESTS")
