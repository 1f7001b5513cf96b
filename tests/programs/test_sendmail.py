"""mailkit-sendmail as cron, PHP, git send-email, mutt and mailx start it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mailkit.control import Home
from mailkit.net.blocking import run
from mailkit.programs import sendmail
from mailkit.queue import claim, drop, inspection, listing
from mailkit.queue.claim import Claim
from tests.deliver.homes import make
from tests.harness.programs import need
from tests.harness.servers import environment, program


def started(home: Home, *words: str, message: bytes, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Run the program as another would."""
    return subprocess.run(
        program("sendmail", "--home", home.path, *words),
        input=message,
        capture_output=True,
        env={**environment(), "MAILKIT_HOME": home.path},
        timeout=30,
        **options,  # type: ignore[call-overload]
    )


def queued(home: Home) -> Claim:
    (found,) = listing.entries(home, "new")
    got = claim.claim(home, "new", str(found))
    assert got is not None
    got.release()
    return got


def addresses(got: Claim) -> list[str]:
    return [one.address for one in got.envelope.recipients]


def test_cron_style(tmp_path: Path) -> None:
    home = make(tmp_path)
    message = b"From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@host> job\n\noutput\n"
    done = started(home, "-i", "-FCronDaemon", "-B8BITMIME", "-oem", "root", message=message)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    got = queued(home)
    assert addresses(got) == ["root@example.test"]
    assert got.envelope.params["body"] == "8BITMIME"
    assert got.head.endswith(b"\n\noutput\n")


def test_php_style(tmp_path: Path) -> None:
    home = make(tmp_path)
    message = b"To: bob@example.net\r\nSubject: hi\r\nBcc: carol@example.net\r\n\r\nline\r\n.\r\nlast\r\n"
    assert started(home, "-t", "-i", "-fwww@example.test", message=message).returncode == 0
    got = queued(home)
    assert got.envelope.sender == "www@example.test"
    assert addresses(got) == ["bob@example.net", "carol@example.net"]
    assert got.head.endswith(b"To: bob@example.net\nSubject: hi\n\nline\n.\nlast\n")
    assert b"\r" not in got.head and b"Bcc" not in got.head
    assert b"\nFrom: " in got.head and b"\nDate: " in got.head and b"\nMessage-ID: " in got.head


def test_git_send_email_style(tmp_path: Path) -> None:
    home = make(tmp_path)
    message = b"From: A <a@example.test>\nTo: list@example.net\nSubject: [PATCH]\n\ndiff\n"
    assert (
        started(home, "-i", "-f", "a@example.test", "list@example.net", "b@example.net", message=message).returncode
        == 0
    )
    assert addresses(queued(home)) == ["list@example.net", "b@example.net"]


def test_mailx_style_with_a_dot_at_the_end(tmp_path: Path) -> None:
    home = make(tmp_path)
    assert started(home, "-v", "bob", message=b"Subject: hi\n\nbody\n.\nnot sent\n").returncode == 0
    got = queued(home)
    assert got.head.endswith(b"\n\nbody\n")


def test_dsn_options_reach_the_queue(tmp_path: Path) -> None:
    home = make(tmp_path)
    words = ("-N", "success,delay", "-R", "hdrs", "-V", "a+b=c", "-f", "<>", "--", "bob@example.net")
    assert started(home, *words, message=b"A: b\n\nc\n").returncode == 0
    got = queued(home)
    assert got.envelope.sender == ""
    assert got.envelope.params["ret"] == "HDRS"
    assert got.envelope.params["envid"] == "a+b=c"
    assert got.envelope.recipients[0].params == {"notify": "SUCCESS,DELAY"}


def test_text_without_a_header_is_a_body(tmp_path: Path) -> None:
    home = make(tmp_path)
    assert started(home, "bob", message=b"hello\nworld\n").returncode == 0
    assert queued(home).head.endswith(b"\n\nhello\nworld\n")


def test_a_large_message_is_whole(tmp_path: Path) -> None:
    home = make(tmp_path)
    body = b"0123456789abcde\n" * 400_000
    assert started(home, "-i", "bob", message=b"A: b\n\n" + body).returncode == 0
    (item,) = inspection.items(home)
    assert Path(item.path).read_bytes().endswith(b"A: b\n\n" + body)


@pytest.mark.parametrize(
    ("words", "message", "status", "said"),
    [
        (["-t"], b"Subject: x\n\n", 65, "no recipients"),
        ([], b"Subject: x\n\n", 64, "no recipients"),
        (["-Z", "bob"], b"A: b\n", 64, "no option -Z"),
        (["-bd"], b"", 64, "no mode -bd"),
        (["-f"], b"", 64, "wants a value"),
        (["-N", "sometimes", "bob"], b"", 64, "NOTIFY"),
        (["bob"], b"", 69, "no message"),
    ],
)
def test_what_cannot_be_sent_says_why(tmp_path: Path, words: list[str], message: bytes, status: int, said: str) -> None:
    home = make(tmp_path)
    done = started(home, *words, message=message)
    assert done.returncode == status
    assert said in done.stderr.decode()
    assert list(listing.entries(home, "new")) == []


def test_no_queue_is_temporary(tmp_path: Path) -> None:
    home = make(tmp_path)
    os.rename(home.queue, home.queue + ".gone")
    assert started(home, "bob", message=b"A: b\n\nc\n").returncode == 75


def test_the_other_modes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = make(tmp_path)
    assert started(home, "bob@example.test", message=b"A: b\n\nc\n").returncode == 0
    assert sendmail.main(["--home", home.path, "-bp"]) == 0
    assert "to <bob@example.test>" in capsys.readouterr().out
    assert sendmail.main(["--home", home.path, "-bi"]) == 0
    assert sendmail.main(["--help"]) == 0
    assert "example:" in capsys.readouterr().out


@pytest.mark.skipif(os.getuid() != 0, reason="becoming another user needs root")
def test_an_ordinary_user_leaves_it_in_the_drop_directory(tmp_path: Path) -> None:
    home = make(tmp_path)
    for directory in (tmp_path, *tmp_path.parents):
        if str(directory).startswith("/tmp/"):
            os.chmod(directory, 0o711)
    read_fd, write_fd = os.pipe()
    os.write(write_fd, b"A: b\n\nc\n")
    os.close(write_fd)
    child = os.fork()
    if not child:
        try:
            os.dup2(read_fd, 0)
            os.umask(0o077)
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            os._exit(sendmail.main(["--home", home.path, "-i", "bob@example.test"]))
        finally:
            os._exit(1)
    os.close(read_fd)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert list(listing.entries(home, "new")) == []
    assert run(drop.collect(home)) == 1
    assert b"from uid 65534" in queued(home).head


def test_mutt_sends_through_it(tmp_path: Path) -> None:
    mutt = need("mutt")
    home = make(tmp_path)
    rc = tmp_path / "muttrc"
    words = " ".join(program("sendmail", "--home", home.path, "-oem", "-oi"))
    rc.write_text(f'set sendmail="{words}"\nset from="alice@example.test"\nset use_from=yes\nset copy=no\n')
    done = subprocess.run(
        [mutt, "-n", "-F", str(rc), "-s", "from mutt", "--", "bob@example.test"],
        input=b"hello\n",
        capture_output=True,
        env={**environment(), "HOME": str(tmp_path), "TERM": "dumb"},
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    got = queued(home)
    assert addresses(got) == ["bob@example.test"]
    assert b"\nSubject: from mutt\n" in got.head
    assert got.head.endswith(b"\n\nhello\n")


def test_smtp_on_standard_input_may_send_anywhere(tmp_path: Path) -> None:
    home = make(tmp_path)
    with subprocess.Popen(
        program("sendmail", "--home", home.path, "-bs"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
    ) as server:
        assert server.stdin is not None and server.stdout is not None
        codes = []
        for said in (
            b"",
            b"EHLO localhost\r\n",
            b"MAIL FROM:<alice@example.test>\r\n",
            b"RCPT TO:<bob@example.net>\r\n",
            b"DATA\r\n",
            b"Subject: x\r\n\r\nhello\r\n.\r\n",
            b"QUIT\r\n",
        ):
            server.stdin.write(said)
            server.stdin.flush()
            while (line := server.stdout.readline())[3:4] == b"-":
                continue
            codes.append(line[:3].decode())
    assert codes == ["220", "250", "250", "250", "354", "250", "221"]
    got = queued(home)
    assert addresses(got) == ["bob@example.net"]
    assert got.head.endswith(b"\n\nhello\n")


@pytest.mark.parametrize("words", [("-fa@b>\nRCPT TO:<x@y", "bob"), ("bob@example.test>\nDATA",), ("-B", "BINARY", "bob")])
def test_nothing_that_would_be_a_command_is_queued(tmp_path: Path, words: tuple[str, ...]) -> None:
    home = make(tmp_path)
    done = started(home, *words, message=b"Subject: x\n\n")
    assert done.returncode == 64
    assert done.stderr.startswith(b"mailkit-sendmail: ")
    assert list(listing.entries(home, "new")) == [] == os.listdir(f"{home.queue}/tmp")
