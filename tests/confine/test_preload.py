"""A process that has become a user may not be allowed to read where modules are: all of them are there before."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.harness.servers import environment
from tests.tree.test_layers import MODULES

# What runs after a login, in any process.
PACKAGES = ("maildir", "mail", "control", "counters", "files", "log")


def imported_in_functions(package: str) -> set[str]:
    found = set()
    for name, path in MODULES.items():
        if f"{name}.".startswith(f"mailkit.{package}."):
            for function in ast.walk(ast.parse(path.read_text())):
                if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    found |= {wanted for node in ast.walk(function) for wanted in modules_of(node)}
    return found


def modules_of(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        deeper = {f"{node.module}.{alias.name}" for alias in node.names} & set(MODULES)
        return deeper or {str(node.module)}
    return set()


@pytest.mark.parametrize(
    ("server", "preload", "packages"),
    [
        ("imapd", "mailkit.imap.commands", ("imap", "fulltext", *PACKAGES)),
        ("pop3d", "mailkit.pop3.verbs", ("pop3", *PACKAGES)),
    ],
)
def test_nothing_is_left_to_import(server: str, preload: str, packages: tuple[str, ...]) -> None:
    code = f"import sys, mailkit.programs.{server}\nfrom {preload} import preload\npreload()\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    wanted = {name for package in packages for name in imported_in_functions(package)}
    assert sorted(wanted - loaded) == [], f"add them to LATER in {preload}"
