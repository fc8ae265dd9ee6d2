"""Middleware that notes what happens to it, and jobs that run inside it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import bgjobs
from tests.runtime.conftest import Harness
from tests.runtime.queues.one_slot import ONE_RUN, healthy

Notes = list[Any]


def noting(notes: Notes, name: str) -> bgjobs.Middleware:
    """Return a middleware that notes when it is entered and left, and how."""

    @asynccontextmanager
    async def middleware(job: bgjobs.Job, context: bgjobs.JobContext) -> AsyncGenerator[None]:
        notes.append(f"{name} enters")
        try:
            yield
        except BaseException as error:
            notes.append(f"{name} sees {type(error).__name__}")
            raise
        notes.append(f"{name} leaves")

    return middleware


@asynccontextmanager
async def swallowing(job: bgjobs.Job, context: bgjobs.JobContext) -> AsyncGenerator[None]:
    """A middleware that suppresses everything."""
    with suppress(BaseException):
        yield


async def end_inside(
    app: Harness, entered: list[Any], worker: Any, *args: Any, **settings: Any
) -> bgjobs.EndedJob:
    """Run one job inside middleware, and check that its slot runs another one after it."""
    config = app.config(worker, healthy, queue={**ONE_RUN, "middleware": entered}, **settings)
    async with bgjobs.run(config) as bg:
        job = await bg.enqueue(worker.request(*args))
        ended = await bg.wait_for(job)
        await bg.wait_for(await bg.enqueue(healthy.request()))
    return ended


async def failure_inside(
    app: Harness, entered: list[Any], worker: Any, *args: Any, **settings: Any
) -> bgjobs.FailedJob:
    """Run one job as `end_inside`, which has to fail."""
    failed = await end_inside(app, entered, worker, *args, **settings)
    assert isinstance(failed, bgjobs.FailedJob)
    return failed
