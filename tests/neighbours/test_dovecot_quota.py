"""One maildirsize file, Dovecot and us in turns."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailkit.deliver import quota
from mailkit.users.passwd import User
from tests.harness.programs import absent

pytestmark = pytest.mark.neighbour

_IMAP = "/usr/lib/dovecot/imap"
_NOBODY = 65534
_LIMIT = 1 << 20
_CONFIG = """
protocols = imap
ssl = no
mail_location = maildir:{home}/Maildir
mail_uid = {uid}
mail_gid = {uid}
first_valid_uid = 1
first_valid_gid = 1
log_path = {home}/log
base_dir = {home}/run
state_dir = {home}/state
mail_plugins = quota
protocol imap {{
  mail_plugins = quota imap_quota
}}
plugin {{
  quota = maildir:User quota
  quota_rule = *:storage={limit}B:messages=100
}}
"""


@pytest.fixture
def user() -> Iterator[User]:
    """A user whose home a process of Dovecot can reach."""
    if not os.path.exists(_IMAP):
        absent("Dovecot's imap is not installed")
    home = tempfile.mkdtemp(prefix="mailkit-quota-")
    try:
        os.chmod(home, 0o755)
        uid = os.getuid() or _NOBODY
        Path(home, "conf").write_text(_CONFIG.format(home=home, uid=uid, limit=_LIMIT))
        os.makedirs(os.path.join(home, "Maildir"))
        rule = f"*:bytes={_LIMIT}B:messages=100"
        yield User("bob@example.test", home=home, fields={"userdb_quota_rule": rule})
    finally:
        shutil.rmtree(home)


def dovecot(user: User, *commands: str) -> str:
    """What Dovecot answers to IMAP commands."""
    uid = os.getuid() or _NOBODY
    for path in (Path(user.home), *Path(user.home).rglob("*")):
        os.chown(path, uid, uid)
    text = "".join(f"a{n} {command}\r\n" for n, command in enumerate((*commands, "LOGOUT")))
    done = subprocess.run(
        [_IMAP, "-c", f"{user.home}/conf", "-k"],
        input=text.encode(),
        capture_output=True,
        env={"USER": "bob", "HOME": user.home, "PATH": os.environ["PATH"]},
        user=uid if os.getuid() == 0 else None,
        group=uid if os.getuid() == 0 else None,
        extra_groups=[] if os.getuid() == 0 else None,
        timeout=30,
        check=False,
    )
    answer = done.stdout.decode()
    assert f"a{len(commands)} OK" in answer, answer + done.stderr.decode()
    return answer


def told(user: User) -> tuple[int, int]:
    """KiB and messages, as Dovecot has them."""
    match = re.search(r"\(STORAGE (\d+) \d+ MESSAGE (\d+) \d+\)", dovecot(user, "GETQUOTAROOT INBOX"))
    assert match is not None
    return int(match[1]), int(match[2])


def kib(octets: int) -> int:
    """Dovecot rounds up."""
    return -(-octets // 1024)


def append(size: int) -> str:
    return f"APPEND INBOX {{{size}+}}\r\n" + "A: b\r\n\r\n" + "x" * (size - 10) + "\r\n"


def test_each_reads_what_the_other_wrote(user: User) -> None:
    dovecot(user, append(5000), append(3000), "GETQUOTAROOT INBOX")
    file = Path(user.maildir, "maildirsize")
    assert file.read_text().splitlines()[0] == f"{_LIMIT}S,100C"
    ours = quota.usage(user)
    assert ours.messages == 2
    assert told(user) == (kib(ours.octets), 2)
    quota.add(user, 20480, 1)
    assert quota.usage(user).octets == ours.octets + 20480
    assert told(user) == (kib(ours.octets + 20480), 3)


def test_both_count_the_same_from_nothing(user: User) -> None:
    dovecot(user, "CREATE Sent", append(5000), append(3000))
    Path(user.maildir, "maildirsize").unlink(missing_ok=True)
    ours = quota.usage(user)
    text = Path(user.maildir, "maildirsize").read_text()
    assert told(user) == (kib(ours.octets), ours.messages)
    assert Path(user.maildir, "maildirsize").read_text().startswith(text)
