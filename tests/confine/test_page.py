"""mailkit-security(7) has the rows of the table, all of them and no others."""

from __future__ import annotations

import re

from mailkit.confine import table
from tests.tree.test_layers import ROOT


def test_the_page_has_the_rows() -> None:
    wanted = [
        (name, row.path, row.rights or "-", row.why + (f" (with control/{row.when})" if row.when else ""))
        for name, rows in table.PROGRAMS.items()
        for row in rows
    ]
    page = (ROOT / "man" / "mailkit-security.7").read_text()
    assert re.findall(r"^\.It Ic (\S+) Ta Pa (\S+) Ta (\S+) Ta (.+)$", page, re.M) == wanted
