"""What every part is given: where to work, how often, and how to run a load."""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import sys
import time

import measure
import servers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Context:
    """One part's run."""

    def __init__(self, work: pathlib.Path, repeat: int, quick: bool, quiet_s: float) -> None:
        self.work = work
        self.repeat = repeat
        self.quick = quick
        self.quiet_s = quiet_s
        work.mkdir(parents=True, exist_ok=True)
        work.chmod(0o755)

    def few(self, number: int) -> int:
        """`number`, or a tenth of it in a quick run."""
        return max(1, number // 10) if self.quick else number

    def load(self, name: str, *words: object, cpu_of: servers.Server | None = None) -> dict[str, float]:
        """Run a load program; its JSON fields, and the server's CPU seconds as `server_cpu_s`."""
        measure.wait_quiet(self.quiet_s)
        before = measure.cpu_s(cpu_of.root) if cpu_of else 0.0
        done = subprocess.run(
            [sys.executable, "-m", f"load.{name}", *map(str, words)],
            cwd=servers.HERE, env=servers.environment(),
            capture_output=True, text=True,
        )
        if done.returncode:
            raise RuntimeError(f"load.{name}: {done.stderr[-2000:]}")
        fields: dict[str, float] = json.loads(done.stdout)
        if fields.get("errors"):
            print(f"  {name}: {fields['errors']} errors, the first: {fields['first_error']}", file=sys.stderr)
        if cpu_of:
            time.sleep(0.2)  # what the server does after its last answer is its work as well
            fields["server_cpu_s"] = measure.cpu_s(cpu_of.root) - before
        return fields

    def corpus(self, messages: int, folders: int = 0) -> pathlib.Path:
        """A Maildir with so many messages, made once."""
        import corpus

        directory = self.work.parent / f"corpus-{messages}-{folders}"
        if not directory.exists():
            corpus.make(directory, messages, folders)
        return directory


@contextlib.contextmanager
def peer(start: Callable[[], contextlib.AbstractContextManager[servers.Server]]) -> Iterator[servers.Server | None]:
    """A running peer, or None after saying that it is missing."""
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(start())
        except servers.Missing as missing:
            print(f"  left out: {missing} is not here", file=sys.stderr)
            server = None
        yield server
