"""A thread that belongs to a task: it ends, and is waited for, when the task's block ends."""

import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from anyio import CapacityLimiter, create_task_group, to_thread

from bgjobs._runtime.outliving import outliving


@asynccontextmanager
async def thread_beside(work: Callable[[threading.Event], None]) -> AsyncGenerator[None]:
    """Run `work(stop)` in a thread of its own beside the block.

    The end of the block sets `stop`, which `work` must heed soon. What `work` raises cancels
    the block and leaves in the group of the thread's task.
    """
    stop = threading.Event()
    own = CapacityLimiter(1)  # not one of the threads that the application shares

    async def in_thread() -> None:
        await to_thread.run_sync(work, stop, limiter=own)

    async with create_task_group() as tasks:
        tasks.start_soon(outliving, in_thread)  # no thread may go on behind its task
        try:
            yield
        finally:
            stop.set()
