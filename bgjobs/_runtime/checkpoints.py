"""A checkpoint for calls that may come from the thread of a plain handler."""

from math import inf

from anyio import CancelScope, current_effective_deadline
from anyio.lowlevel import checkpoint, checkpoint_if_cancelled

from bgjobs._runtime.outliving import native_task


async def raise_if_cancelled() -> None:
    """Raise the cancellation if a scope around has been cancelled; else return at once.

    `anyio.from_thread.run` calls inside the scope of the task that has lent the thread. Where
    that scope was cancelled before, AnyIO delivers nothing on asyncio, and its own
    `checkpoint_if_cancelled` waits for the delivery for ever, at full load.
    """
    if native_task() is None:
        await checkpoint_if_cancelled()  # Trio's own, which need not walk through all scopes
    elif current_effective_deadline() == -inf:
        with CancelScope():  # noqa: ASYNC100 - leaving it makes AnyIO deliver again
            pass
        await checkpoint()
