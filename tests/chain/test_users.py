"""The passwd file: edited by many at once while people log in, and damaged by hand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from mailkit.control import Home
from mailkit.users.passwd import Passwd
from tests.chain.imap import Imap
from tests.harness.servers import environment, program, serve

EDITORS = 4
EDITS = 25

# Adds users of its own, changes bob, and removes every second of its users again.
EDITOR = """
import sys
from mailkit.control import Home
from mailkit.users import edit, passwd
home, who, count = Home(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for number in range(count):
    address = f"{who}-{number}@example.test"
    edit.add(home, passwd.parse(f"{address}:{{PLAIN}}secret::::::".encode(), home.domains))
    edit.change(home, "bob@example.test", lambda user: user.fields.update({f"{who}_{number}": "yes"}))
    if number % 2:
        edit.remove(home, address)
"""


def test_four_editors_and_logins(home: Home) -> None:
    """No edit is lost, and whoever logs in meanwhile never meets half a file."""
    with serve(home, "imapd", "imap") as server:
        editors = [
            subprocess.Popen([sys.executable, "-c", EDITOR, home.path, f"e{number}", str(EDITS)], env=environment())
            for number in range(EDITORS)
        ]
        logins = 0
        while logins < 10 or any(editor.poll() is None for editor in editors):
            for user in ("alice", "bob"):
                with Imap(server.ports["imap"]) as client:
                    client.login(user)
                    logins += 1
        assert [editor.wait() for editor in editors] == [0] * EDITORS
    assert "trace=" not in server.log
    users = Passwd(home)
    bob = users.lookup("bob@example.test")
    assert bob is not None
    wanted = {f"e{who}_{number}" for who in range(EDITORS) for number in range(EDITS)}
    assert wanted <= set(bob.fields)
    left = {line.partition(b"@")[0].decode() for line in Path(home.passwd).read_bytes().splitlines()}
    stay = {f"e{who}-{number}" for who in range(EDITORS) for number in range(0, EDITS, 2)}
    assert left == {"alice", "bob"} | stay
    assert sorted(os.listdir(os.path.dirname(home.passwd))) == ["passwd", "passwd.lock"]


DAMAGE = [
    b"\0\0\0\0\n", b"no colons at all\n", b":::::::\n", b"alice:{PLAIN}x::::::\n", b"\xff\xfe@example.test:{PLAIN}x::::::\n",
    b"carol@example.test:{NOPE}x::::::\n", b"dave@example.test:{PLAIN}x:notanumber:::::\n", b"x" * 300_000 + b"\n",
    b"eve@example.test\n", b"@example.test:{PLAIN}x::::::\n", b"../../x@example.test:{PLAIN}x::::::\n",
    b"mallory@../..:{PLAIN}x::::::\n", b"erin@example.test:{PLAIN}x::::../../../etc::\n", b"\r\n\r\n", b"# comment",
]  # fmt: skip


def test_damaged_lines_hurt_nobody_else(home: Home) -> None:
    good = Path(home.passwd).read_bytes().splitlines(keepends=True)
    Path(home.passwd).write_bytes(b"".join(DAMAGE[:8]) + good[0] + b"".join(DAMAGE[8:-1]) + good[1] + DAMAGE[-1])
    with serve(home, "imapd", "imap") as server:
        for user in ("alice", "bob"):
            with Imap(server.ports["imap"]) as client:
                client.login(user)
                assert client.do("SELECT INBOX")[-1].startswith(b"OK ")
        for user in ("carol", "dave", "eve", "", "../../x", "mallory", "\\u00ff\\u00fe", "x" * 300):
            with Imap(server.ports["imap"]) as client:
                assert client.do(f'LOGIN "{user}@example.test" x')[-1].startswith((b"NO ", b"BAD ")), user
    assert "trace=" not in server.log, server.log
    damaged = [line for line in server.log.splitlines() if line.startswith("passwd ")]
    assert damaged, server.log
    before = Path(home.passwd).read_bytes()
    command = program("adduser", "--home", home.path, "--password-stdin", "frank@example.test")
    done = subprocess.run(command, env=environment(), input="secret\n", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Path(home.passwd).read_bytes().startswith(before + b"\nfrank@example.test:")
