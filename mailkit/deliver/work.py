"""Work that blocks: done in a thread where an event loop must not wait for it, at once everywhere else."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any, TypeVar

    R = TypeVar("R")

offload: Callable[..., Awaitable[Any]] | None = None
"""Runs a function and its arguments in a thread. The runner sets it."""


async def done(function: Callable[..., R], *args: object) -> R:
    """The result of a blocking function."""
    if offload is None:
        return function(*args)
    result: R = await offload(function, *args)
    return result
