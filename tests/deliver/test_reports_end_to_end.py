"""Reports through the queue: written, queued and delivered to their readers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.deliver.runner import Runner
from tests.deliver.homes import mailbox, make, queue, waiting
from tests.harness.crash import crashes


def once(home: Home) -> None:
    asyncio.run(Runner(home, once=True).run())


def test_a_failure_comes_back_to_its_sender(home: Home) -> None:
    queue(home, "nobody@example.test", "bob@example.test", sender="alice@example.test")
    once(home)
    (report,) = mailbox(home, "alice")
    assert report.startswith(b"Return-Path: <>\nDelivered-To: alice@example.test\n")
    assert b"multipart/report" in report
    assert b"nobody@example.test" in report and b"Status: 5.1.1" in report
    assert len(mailbox(home, "bob")) == 1
    assert waiting(home) == []


def test_a_report_that_fails_goes_to_the_postmaster_and_then_nowhere(tmp_path: Path, lines: list[str]) -> None:
    home = make(tmp_path, postmaster="bob@example.test")
    queue(home, "nobody@example.test", sender="")
    once(home)
    assert len(mailbox(home, "bob")) == 1
    queue(home, "nobody@example.test", sender="", params={"double": "yes"})
    once(home)
    assert len(mailbox(home, "bob")) == 1
    assert waiting(home) == []
    assert any(line.startswith("report ") for line in lines)


def test_nobody_answers_a_report_to_somebody_unknown(home: Home) -> None:
    queue(home, "nobody@example.test", sender="nobody@second.test")
    once(home)
    assert waiting(home) == []


@pytest.mark.parametrize("looping", ["alice@example.test: carol\ncarol@example.test: nobody\n"])
def test_an_alias_to_nobody_comes_back_too(tmp_path: Path, looping: str) -> None:
    home = make(tmp_path, aliases=looping)
    queue(home, "carol@example.test", sender="bob@example.test")
    once(home)
    assert len(mailbox(home, "bob")) == 1


def test_a_crash_never_loses_a_report(tmp_path: Path) -> None:
    def prepare(directory: Path) -> None:
        queue(make(directory), "nobody@example.test", sender="alice@example.test")

    for crash in crashes(tmp_path, lambda directory: once(Home(str(directory))), prepare):
        home = Home(str(crash.directory))
        once(home)
        assert waiting(home) == [], crash
        reports = len(mailbox(home, "alice"))
        assert 1 <= reports <= 2, crash
        assert reports == 1 or not crash.done
