"""A decorator that hides its function, and a job that is run to its end."""

import gc
from collections.abc import Callable
from typing import Any

import bgjobs
from tests.runtime.conftest import Harness
from tests.runtime.queues.one_slot import ONE_RUN


async def end_of(app: Harness, worker: Any, *args: Any) -> bgjobs.EndedJob:
    """Run one job, and check that its slot runs another one after it."""
    healthy = bgjobs.worker(name="healthy")(lambda: None)
    async with bgjobs.run(app.config(worker, healthy, queue=ONE_RUN)) as bg:
        job = await bg.enqueue(worker.request(*args))
        last = await bg.enqueue(healthy.request())
        assert isinstance(await bg.wait_for(last), bgjobs.SucceededJob)
        ended = await bg.wait_for(job)
    gc.collect()  # a coroutine that was never awaited is a warning, and that an error
    return ended


async def failure_of(app: Harness, worker: Any, *args: Any) -> bgjobs.FailedJob:
    """Run one job as `end_of`, which has to fail."""
    failed = await end_of(app, worker, *args)
    assert isinstance(failed, bgjobs.FailedJob)
    return failed


def bare(function: Callable[..., Any]) -> Callable[[int], Any]:
    """A decorator that hides the function it wraps."""

    def inner(number: int) -> Any:
        return function(number)

    return inner
