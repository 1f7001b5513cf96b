"""The layers of mailkit(7): a module imports lower layers or its own package, never upward, never a neighbour."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Longest prefix wins. Names within one package may import each other, wherever they stand.
LAYERS = {
    "mailkit": 0,
    "mailkit.exits": 0,
    "mailkit.log": 0,
    "mailkit.control": 0,
    "mailkit.clock": 0,
    "mailkit.files": 0,
    "mailkit.filesystem": 0,
    "mailkit.dotlock": 0,
    "mailkit.counters": 0,
    "mailkit.languages": 1,
    "mailkit.lines": 1,
    "mailkit.mail": 1,
    "mailkit.smtp.wire": 2,
    "mailkit.smtp.reply": 2,
    "mailkit.imap.wire": 2,
    "mailkit.imap.responses": 2,
    "mailkit.pop3.wire": 2,
    "mailkit.confine": 2,
    "mailkit.net": 3,
    "mailkit.dns": 3,
    "mailkit.fulltext": 3,
    "mailkit.users": 3,
    "mailkit.maildir": 3,
    "mailkit.queue": 3,
    "mailkit.trace": 3,
    "mailkit.policy": 4,
    "mailkit.setup": 4,
    "mailkit.smtp.client": 4,
    "mailkit.deliver": 5,
    "mailkit.smtp": 6,
    "mailkit.check": 6,
    "mailkit.imap": 6,
    "mailkit.pop3": 6,
    "mailkit.programs": 7,
}


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in sorted((ROOT / "mailkit").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


MODULES = modules()


def place(name: str) -> str:
    """The row of LAYERS that a module belongs to."""
    while name not in LAYERS:
        name = name.rpartition(".")[0]
    return name


class Imports(ast.NodeVisitor):
    """What a module imports of ours: (name, only for types, at the top)."""

    def __init__(self) -> None:
        self.found: list[tuple[str, bool, bool]] = []
        self._types = False
        self._depth = 0

    def visit_If(self, node: ast.If) -> None:
        types, self._types = self._types, self._types or "TYPE_CHECKING" in ast.dump(node.test)
        for child in node.body:
            self.visit(child)
        self._types = types
        for child in node.orelse:
            self.visit(child)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.level == 0, "relative import"
        for alias in node.names:
            whole = f"{node.module}.{alias.name}"
            self._add(whole if whole in MODULES else str(node.module))

    def _add(self, name: str) -> None:
        if name.split(".")[0] == "mailkit":
            self.found.append((name, self._types, self._depth == 0))


def imports(path: Path) -> list[tuple[str, bool, bool]]:
    visitor = Imports()
    visitor.visit(ast.parse(path.read_text()))
    return visitor.found


def package(name: str) -> str:
    """The package whose modules may import each other: "mailkit.smtp" for "mailkit.smtp.client.dialogue"."""
    return ".".join(name.split(".")[:2])


def test_nobody_imports_upward_or_sideways() -> None:
    breaches = []
    for name, path in MODULES.items():
        own = LAYERS[place(name)]
        for other, types, _ in imports(path):
            theirs = LAYERS[place(other)]
            same = package(name) == package(other)
            if theirs > own or (theirs == own and own and not same and not types):
                breaches.append(f"{name} (layer {own}) imports {other} (layer {theirs})")
    assert not breaches, "\n".join(breaches)


def test_every_package_has_its_layer() -> None:
    unplaced = {package(name) for name in MODULES} - set(LAYERS) - {"mailkit.smtp", "mailkit.imap", "mailkit.pop3"}
    assert not unplaced


def test_no_import_cycle() -> None:
    graph = {
        name: {other for other, types, top in imports(path) if not types and top and other != name}
        for name, path in MODULES.items()
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail[trail.index(name) :], name))
        if name not in done:
            for other in sorted(graph.get(name, ())):
                visit(other, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())
