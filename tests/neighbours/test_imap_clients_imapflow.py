"""imapflow (Node) against a real mailkit-imapd: TLS, COMPRESS, QRESYNC, UTF8=ACCEPT, OBJECTID, IDLE."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.harness import programs, servers
from tests.harness.homes import make_home
from tests.imap import mailboxes

pytestmark = pytest.mark.neighbour


def test_imapflow(tmp_path: Path) -> None:
    node = programs.need("node")
    if subprocess.run([node, "-e", "require('imapflow')"], capture_output=True, check=False).returncode:
        programs.absent("the Node package imapflow is not installed (NODE_PATH)")
    home = make_home(tmp_path / "home", tls=True)
    mailboxes.fill(home)
    script = Path(__file__).with_name("imapflow.js")
    arrival = os.path.join(mailboxes.inbox(home), "new", "1799999999.M1P1.far")
    with servers.serve(home, "imapd", "imap") as server:
        command = [node, str(script), str(server.ports["imap"]), arrival]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr + server.log
    seen = json.loads(done.stdout)
    assert seen["enabled"] == ["CONDSTORE", "QRESYNC", "UTF8=ACCEPT"]
    assert seen["compressed"]
    assert seen["mailbox"] == [3, "12345", "F00112233445566778899aabbccddeeff"]
    assert seen["pushed"] == 4
    assert seen["messages"] == [
        [1, ["\\Seen"], "first", 176, True, "text/plain"],
        [2, ["\\Flagged", "$Work"], "Grüße with parts", 723, True, "multipart/mixed"],
        [5, ["\\Recent"], "third", 155, True, "text/plain"],
    ]
    assert seen["unseen"] == [2, 3, 4]
    assert (seen["appended"], seen["moved"], seen["archive"]) == (7, [[1, 1]], 1)
    assert ["Größe", ""] in seen["uses"]
    assert ["Sent", "\\Sent"] in seen["uses"]
    found = seen["resynchronised"]
    assert found["qresync"]
    assert found["vanished"] == 2 * [[5, True, True]], "at SELECT, and with FETCH (CHANGEDSINCE VANISHED)"
    assert found["flags"] == [[2, ["$Work", "\\Answered", "\\Flagged"], True]]
    assert found["changed"] == [2]
    assert found["kept"] == ["$Work", "\\Answered", "\\Flagged"], "a conditional STORE came too late"
