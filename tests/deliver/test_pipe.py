"""Programs in pipes: what they get, what they may not do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mailkit import clock
from mailkit.deliver import pipe
from mailkit.deliver.pipe import Result

DATA = [b"0123456789abcde\n" * 1000] * 200  # more than any pipe holds


def run(command: str, chunks: list[bytes] | None = None, limit_s: float = 20, **variables: str) -> Result:
    return pipe.run(command, chunks if chunks is not None else [b"A: b\n", b"\nc\n"], variables, "/", limit_s)


def test_the_program_gets_the_message_and_says_something() -> None:
    result = run("cat; exit 7")
    assert (result.status, result.output) == (7, "A: b\n\nc\n")


def test_a_large_message_goes_through() -> None:
    assert run("wc -c", DATA).output.strip() == str(sum(map(len, DATA)))


def test_a_program_need_not_read() -> None:
    assert run("exit 0", DATA).status == 0
    assert run("exec <&-; exit 3", DATA).status == 3


def test_only_the_given_environment() -> None:
    lines = dict(line.partition("=")[::2] for line in run("env", FOO="bar").output.splitlines())
    assert lines["FOO"] == "bar"
    assert set(lines) <= {"FOO", "PATH", "SHELL", "PWD", "_", "SHLVL", "OLDPWD"}


def test_no_descriptor_of_ours(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(fd, True)
    try:
        assert run("ls /proc/self/fd | wc -l").output.strip() == "4"  # three, and that of ls itself
    finally:
        os.close(fd)


def test_its_own_session() -> None:
    assert int(run("ps -o sid= -p $$ 2>/dev/null || cut -d' ' -f6 /proc/$$/stat").output.split()[0]) != os.getsid(0)


def test_its_directory(tmp_path: Path) -> None:
    assert pipe.run("pwd", [], {}, str(tmp_path), 10).output.strip() == str(tmp_path)
    with pytest.raises(OSError, match="No such file"):
        pipe.run("pwd", [], {}, str(tmp_path / "nowhere"), 10)


@pytest.mark.parametrize("command", ["sleep 60", "sleep 60 & sleep 60; wait", "cat >/dev/null; sleep 60", "yes"])
def test_one_that_hangs_or_never_ends_is_killed_with_all_its_children(command: str) -> None:
    started = clock.monotonic()
    result = run(f"exec 3>&1; {command}", limit_s=0.3)
    assert result.status == pipe.TIMED_OUT
    assert clock.monotonic() - started < 10


def test_a_child_in_the_background_is_not_waited_for() -> None:
    started = clock.monotonic()
    assert run("sleep 11 & exit 0").status == 0
    assert clock.monotonic() - started < 8


def test_what_it_prints_is_kept_up_to_a_limit() -> None:
    result = run("head -c 100000000 /dev/zero | tr '\\0' x")
    assert result.status == 0
    assert result.output == "x" * pipe.KEPT_OCTETS


def test_a_signal_is_told_as_the_shell_does() -> None:
    assert run("kill -9 $$").status == 137


def test_standard_error_is_kept_too() -> None:
    assert run("echo out; echo err >&2").output == "out\nerr\n"
