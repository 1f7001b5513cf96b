"""Directories that are replaced while servers run."""

from __future__ import annotations

import os
import shutil
import smtplib
from pathlib import Path

import pytest

from mailkit import confine
from mailkit.confine import landlock
from mailkit.control import Home
from tests.confine.sites import until
from tests.harness.homes import make_home, set_control
from tests.harness.servers import serve


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path, tls=True)


@pytest.mark.skipif(landlock.abi() < landlock.LEAST, reason="this kernel has no Landlock, or an old one")
def test_workers_are_replaced(home: Home) -> None:
    set_control(home, "policy", "relay")
    with serve(home, "smtpd", "mx") as server:

        def accepted() -> bool:
            try:
                with smtplib.SMTP("127.0.0.1", server.ports["mx"], timeout=20) as client:
                    client.sendmail("x@example.net", "alice@example.test", b"Subject: x\r\n\r\nx\r\n")
            except (smtplib.SMTPException, OSError):
                return False
            return True

        assert accepted()
        shutil.rmtree(home.queue)
        for name in ("tmp", "new", "ready"):
            os.makedirs(os.path.join(home.queue, name))
        until(accepted)
        assert "confine program=smtpd verdict=anew" in server.log
    assert len(os.listdir(os.path.join(home.queue, "ready"))) == 1


def test_what_the_rules_hang_on(home: Home, tmp_path: Path) -> None:
    set_control(home, "landlock", "no")
    assert confine.marks("imapd", home) == []
    set_control(home, "landlock", "yes")
    if not confine.possible(home):
        pytest.skip("this kernel has no Landlock, or an old one")
    before = confine.marks("imapd", home)
    assert confine.marks("imapd", home) == before
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "cert.pem").write_text("x")
    Path(home.tls, "other.example").mkdir()
    Path(home.tls, "other.example", "cert.pem").symlink_to(elsewhere / "cert.pem")
    after = confine.marks("imapd", home)
    new = {path for path, *_ in after} - {path for path, *_ in before}
    assert new == {str(elsewhere), os.path.join(home.tls, "other.example")}
    set_control(home, "authupgrade", "yes")
    assert confine.marks("imapd", home) != after
    assert confine.marks("echo", home) == []
