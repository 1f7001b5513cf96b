"""Results: rows of ours beside a peer's, as a ratio, in a Markdown table per part.

    | smtpd, 4 KiB, 20 kept sessions        | unit        | mailkit             | Postfix          | ratio | goal |
    | accepted                              | msg/s       | 1,480 [1,402-1,501] | 391 [380-411]    | 3.79  |      |
    | CPU                                   | ms/msg      | 0.52 [0.50-0.55]    | 2.31 [2.2-2.4]   | 0.23  | 0.6  |

Figures are medians of the runs with [smallest-largest]; the ratio is of the medians, ours over theirs.
"""

from __future__ import annotations

import pathlib
import statistics


class Table:
    """One part's table."""

    def __init__(self, title: str, ours: str, peer: str, note: str = "") -> None:
        self.title = title
        self.ours = ours
        self.peer = peer
        self.note = note
        self._rows: list[tuple[str, str, list[float], list[float], str]] = []

    def add(self, what: str, unit: str, ours: list[float], peer: list[float], goal: str = "") -> None:
        """A row; either list may be empty. It is printed at once: a bench is watched."""
        self._rows.append((what, unit, ours, peer, goal))
        print(f"  {what}: {figures(ours)} {unit}, {self.peer} {figures(peer)}, ratio {ratio(ours, peer)}", flush=True)

    def __str__(self) -> str:
        lines = [f"### {self.title}", ""]
        if self.note:
            lines += [self.note, ""]
        lines.append(f"| | unit | {self.ours} | {self.peer} | ratio | goal |")
        lines.append("|---|---|---|---|---|---|")
        for what, unit, ours, peer, goal in self._rows:
            lines.append(f"| {what} | {unit} | {figures(ours)} | {figures(peer)} | {ratio(ours, peer)} | {goal} |")
        return "\n".join(lines) + "\n"


def figures(values: list[float]) -> str:
    """"median [smallest-largest]"."""
    if not values:
        return "-"
    middle = figure(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} [{figure(min(values))}-{figure(max(values))}]"


def figure(value: float) -> str:
    """A number with about three digits that count."""
    digits = next((digits for digits, least in ((0, 100), (1, 10), (2, 0.1)) if abs(value) >= least), 3)
    return f"{value:,.{digits}f}"


def ratio(ours: list[float], peer: list[float]) -> str:
    """Median over median."""
    if not ours or not peer or not statistics.median(peer):
        return "-"
    return f"{statistics.median(ours) / statistics.median(peer):.2f}"


def save(directory: pathlib.Path, part: str, tables: list[Table], machine: str) -> pathlib.Path:
    """Write a part's tables; the file of an older run is replaced."""
    directory.mkdir(exist_ok=True)
    path = directory / f"{part}.md"
    path.write_text(f"## {part}\n\n{machine}\n\n" + "\n".join(map(str, tables)))
    return path
