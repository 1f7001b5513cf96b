"""A home whose alice has three messages with known UIDs, and folders; what transcripts talk about.

UID 1  plain text, seen           UID 2  multipart with an attachment and a message inside, \\Flagged $Work
UID 5  ISO-8859-1, unread, \\Recent at the first SELECT          UIDVALIDITY 12345, UIDNEXT 6
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from mailkit.control import Home
from mailkit.maildir import accesskey, save, tree
from tests.harness.homes import make_home, set_control

PLAIN = b"""\
From: Carol <carol@example.net>
To: alice@example.test
Subject: first
Date: Mon, 7 Feb 1994 21:52:25 -0800
Message-ID: <1@example.net>

Hello alice,
this is the first.
"""

MULTIPART = b"""\
From: "Dave, the Great" <dave@example.org>
To: Alice <alice@example.test>, bob@example.test
Cc: carol@example.net
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= with parts
Date: Tue, 8 Feb 1994 10:00:00 +0000
Message-ID: <2@example.org>
In-Reply-To: <1@example.net>
X-Mailer: pine
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=cut

preamble
--cut
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Gr=C3=BC=C3=9Fe
--cut
Content-Type: application/octet-stream; name=a.bin
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename=a.bin

AAECAwQ=
--cut
Content-Type: message/rfc822

Subject: inner
From: eve@example.com

inner text
--cut--
"""

LATIN = b"""\
From: eve@example.com
To: alice@example.test
Subject: third
Date: Wed, 9 Feb 1994 10:00:00 +0000
Content-Type: text/plain; charset=iso-8859-1

caf\xe9
"""

MESSAGES = ((1, "cur", ":2,S", PLAIN), (2, "cur", ":2,Fa", MULTIPART), (5, "new", "", LATIN))
ARRIVED_S = 760_000_000  # 1994-01-31 07:06:40 UTC, and a minute later for each UID


def make(path: Path) -> Home:
    """The home; logging in without TLS is allowed."""
    home = make_home(path)
    set_control(home, "clearauth", "yes")
    fill(home)
    return home


def fill(home: Home) -> None:
    """Alice's Maildir as new; bob's is empty, and nobody shares anything."""
    maildir = inbox(home)
    for old in (maildir, inbox(home, "bob"), public(home)):
        shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(home.run, ignore_errors=True)
    os.makedirs(home.run)
    tree.create(maildir)
    save.make_directories(inbox(home, "bob"), subfolder=False)
    lines = ["3 V12345 N6 G00112233445566778899aabbccddeeff"]
    for uid, directory, info, message in MESSAGES:
        arrived_s = ARRIVED_S + 60 * uid
        name = f"{arrived_s}.M{uid}P1.host"
        path = Path(maildir, directory, name + info)
        path.write_bytes(message)
        os.utime(path, (arrived_s, arrived_s))
        if directory == "cur":
            lines.append(f"{uid} :{name}")
    lines[0] = lines[0].replace("N6", "N5")
    Path(maildir, "dovecot-uidlist").write_text("\n".join(lines) + "\n")
    Path(maildir, "dovecot-keywords").write_text("0 $Work\n")
    Path(maildir, accesskey.NAME).write_text(bytes(range(32)).hex())


def inbox(home: Home, user: str = "alice") -> str:
    """A user's Maildir."""
    return home.join("domains", "example.test", user, "Maildir")


def public(home: Home) -> str:
    """Where the public folders are."""
    return home.join("domains", "example.test", "@public", "Maildir")


def publish(home: Home) -> None:
    """A public folder, News, which everybody may read and alice may change: what an administrator does by hand."""
    Path(public(home), ".News", "cur").mkdir(parents=True)
    Path(public(home), "dovecot-acl").write_text("anyone lr\nuser=alice@example.test lrwstipekxa\n")


def stored(home: Home, folder: str = "") -> list[bytes]:
    """What lies in a folder of alice's, by name."""
    directory = Path(inbox(home), folder)
    paths = [path for part in ("cur", "new") for path in (directory / part).iterdir()]
    return [path.read_bytes() for path in sorted(paths, key=lambda path: path.name)]
