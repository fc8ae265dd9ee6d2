"""Cancellations that do not cancel the handler or the callback in which they are raised."""

import asyncio

import anyio
import anyio.lowlevel


async def wait_for_a_cancelled_task() -> None:
    """Other code has cancelled the task, as pools and clients do when they close."""
    task = asyncio.ensure_future(asyncio.sleep(3600))
    task.cancel()
    await task


async def old_cancellation() -> BaseException:
    """Return the cancellation of a scope that has been left."""
    kept: BaseException | None = None
    with anyio.CancelScope() as scope:
        scope.cancel()
        try:
            await anyio.lowlevel.checkpoint()
        except anyio.get_cancelled_exc_class() as error:
            kept = error
    assert kept is not None
    return kept
