"""mailkit-runq: deliver what is in the queue, as it comes and when it is due."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import os
import signal

import click

from mailkit import confine, counters, log
from mailkit.control import Home
from mailkit.deliver import work
from mailkit.deliver.runner import Runner
from mailkit.net import loop, syncer
from mailkit.net.notify import notify
from mailkit.programs import options
from mailkit.queue import inject
from mailkit.users import identity

_EXAMPLE = """
Example:

    mailkit-runq --home ./demo --once
"""
_GARBAGE = 10_000  # new objects between two looks for cycles; deliveries leave few


@click.command(epilog=_EXAMPLE)
@options.common
@click.option("--once", is_flag=True, help="Deliver what is due now, then end.")
def command(home: Home, once: bool) -> None:
    """Deliver what is in the queue: to users here, and to other servers.

    Runs until it gets SIGTERM; deliveries in flight are then finished. Several may run at once.
    """
    if os.geteuid() == 0 and (owner := identity.needless(home)[0]) is not None:
        identity.become(owner)  # the servers must be able to read what it delivers
    inject.prepare(home)
    (end,) = syncer.start()
    confine.program("runq", home)
    counters.start(home.run, "runq")
    gc.freeze()
    gc.set_threshold(_GARBAGE)
    loop.run(lambda: _run(Runner(home, once)), syncer=end)


async def _run(runner: Runner) -> None:
    running = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        running.add_signal_handler(number, runner.stop)
    log.event("runq", home=runner.home.path, state="started")
    notify("READY=1")
    # Programs of dot files may take minutes: they must not wait for each other.
    threads = concurrent.futures.ThreadPoolExecutor(max(runner.home.control.number("concurrencylocal"), 1))
    work.offload = lambda function, *args: running.run_in_executor(threads, function, *args)
    await runner.run()
    threads.shutdown(wait=False)
    log.event("runq", home=runner.home.path, state="ended")


def main(argv: list[str] | None = None) -> int:
    """The program."""
    return options.run(command, argv)
