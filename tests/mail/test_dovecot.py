"""A real Dovecot sees the same sizes, envelopes and structures in ordinary mail.

Where the two differ on purpose (broken mail, message/global, an epilogue's last line end) the other tests say what we do.
"""

from __future__ import annotations

import email.headerregistry
import email.message
import email.policy
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailkit.mail import mime, structure
from tests.mail import imapwire
from tests.mail.test_structure import EXAMPLE, NESTED

pytestmark = [
    pytest.mark.neighbour,
    pytest.mark.skipif(not shutil.which("doveadm"), reason="no Dovecot here"),
]

CONF = """
base_dir = {dir}/run
log_path = /dev/stderr
mail_location = maildir:{dir}/Maildir
first_valid_uid = 0
mail_uid = 65534
mail_gid = 65534
ssl = no
"""
WORDS = ["plain", "word", "Grüße", "мир", "日本語", "a,b", 'quo"ted', "(paren)", "x" * 90, "semi;colon", "back\\slash"]

NAMES = ["plain", "Grüße", "мир", "日本語", "a,b", "(paren)", "Ann B. Cee", ""]


def text(dice: random.Random, count: int) -> str:
    return " ".join(dice.choice(WORDS) for _ in range(count))


def made(dice: random.Random, depth: int) -> email.message.EmailMessage:
    """A message with a body, perhaps alternatives, attachments and messages inside."""
    message = email.message.EmailMessage(policy=email.policy.SMTP if dice.random() < 0.5 else email.policy.default)
    message["Subject"] = text(dice, dice.randrange(6))
    for name in dice.sample(["From", "Sender", "Reply-To", "To", "Cc", "Bcc"], 4):
        addresses = [
            email.headerregistry.Address(dice.choice(NAMES), f"user{dice.randrange(9)}", "example.org")
            for _ in range(dice.randrange(1, 4))
        ]
        message[name] = addresses[:1] if name == "Sender" else addresses
    message["Date"] = "Wed, 17 Jul 1996 02:23:25 -0700"
    message["Message-ID"] = f"<{dice.randrange(10**6)}@example.org>"
    message.set_content(text(dice, 30) + "\n", cte=dice.choice(["8bit", "quoted-printable", "base64"]))
    if dice.random() < 0.5:
        message.add_alternative(f"<p>{text(dice, 20)}</p>", subtype="html")
    for _ in range(dice.randrange(3)):
        message.add_attachment(
            dice.randbytes(dice.randrange(300)),
            "application",
            "octet-stream",
            filename=text(dice, dice.randrange(1, 9)),
        )
    if depth and dice.random() < 0.7:
        message.add_attachment(made(dice, depth - 1))
    return message


def messages() -> list[bytes]:
    dice = random.Random(9051)
    return [EXAMPLE, NESTED, *(made(dice, 3).as_bytes() for _ in range(60))]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that the user without rights whom Dovecot reads mail as can enter."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        for part in ("cur", "new", "tmp"):
            (path / "Maildir" / part).mkdir(parents=True)
        (path / "conf").write_text(CONF.format(dir=name))
        yield path


def dovecots(folder: Path) -> dict[int, tuple[bytes, bytes, int]]:
    """{place: (envelope, structure, size)} as doveadm tells, without the outer parentheses."""
    if os.getuid() == 0:
        for path in (folder / "Maildir", *(folder / "Maildir").rglob("*")):
            os.chown(path, 65534, 65534)
    told = subprocess.run(
        [
            "doveadm",
            "-c",
            folder / "conf",
            "-f",
            "flow",
            "fetch",
            "uid size.virtual imap.envelope imap.bodystructure",
            "mailbox",
            "INBOX",
        ],
        env={**os.environ, "USER": "nobody", "HOME": str(folder)},
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout
    found = {}
    for record in told.removeprefix(b"uid=").removesuffix(b"\n").split(b"\nuid="):
        uid, _, rest = record.partition(b" size.virtual=")
        size, _, rest = rest.partition(b" imap.envelope=")
        envelope, _, body = rest.partition(b" imap.bodystructure=")
        found[int(uid) - 1] = (envelope, body, int(size))
    return found


def alike(value: object) -> object:
    """Without what means the same: the case of names, one language as a list of one."""
    if isinstance(value, bytes):
        return value.lower()
    if isinstance(value, list):
        return alike(value[0]) if len(value) == 1 and isinstance(value[0], bytes) else [alike(item) for item in value]
    return value


def read(wire: bytes) -> object:
    return alike(imapwire.read(b"(" + wire + b")"))


def test_dovecot_sees_the_same(folder: Path) -> None:
    sent = messages()
    for place, data in enumerate(sent):
        (folder / "Maildir" / "cur" / f"{1700000000 + place}.M{place}.host:2,S").write_bytes(data)
    told = dovecots(folder)
    assert sorted(told) == list(range(len(sent)))
    for place, data in enumerate(sent):
        root = mime.scan(data)
        envelope, body, size = told[place]
        assert root.size == size
        assert read(structure.envelope(root)[1:-1]) == read(envelope)
        assert read(structure.bodystructure(root)[1:-1]) == read(body)
