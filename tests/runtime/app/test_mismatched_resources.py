"""Handlers that expect other resources than the lifespan yields stop the start."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

import bgjobs
from bgjobs.errors import ConfigError
from bgjobs.events import QueueStarted
from bgjobs.schedules import every
from tests.runtime.conftest import Harness, Wrapped

pytestmark = pytest.mark.anyio


class Pool: ...


Steps = list[str]


def lifespan(
    steps: Steps, value: object
) -> Callable[[bgjobs.Client], AbstractAsyncContextManager[object]]:
    """Return a lifespan that writes down what happens to it."""

    @asynccontextmanager
    async def open_it(_: bgjobs.Client) -> AsyncIterator[object]:
        steps.append("opened")
        try:
            yield value
        except BaseException as error:
            steps.append(f"closed by {type(error).__name__}")
            raise

    return open_it


@bgjobs.worker
async def fine() -> None:
    """Succeed."""


@bgjobs.worker
async def use(context: bgjobs.JobContext[Pool]) -> None:
    """Expect a pool."""


@bgjobs.worker
async def other(context: bgjobs.JobContext[int]) -> None: ...


@bgjobs.worker
async def optional(context: bgjobs.JobContext[str | None]) -> None: ...


async def test_all_handlers_that_expect_other_resources_are_listed_in_one_error(
    app: Harness,
) -> None:
    steps = Steps()
    queues = [
        bgjobs.Queue("right", workers=[use, fine]),
        bgjobs.Queue("wrong", workers=[other, use]),
        bgjobs.Queue("again", workers=[other]),
    ]
    scheduled = [bgjobs.ScheduledJob(optional, every(hours=1))]
    config = app.config(
        queues=queues, scheduled_jobs=scheduled, lifespan=lifespan(steps, Pool())
    )
    with pytest.raises(ConfigError) as caught:
        async with bgjobs.run(config):
            raise AssertionError("it must not start")
    pool = f"{__name__}.Pool"
    assert caught.value.problems == (
        f"worker 'other': context.resources: expected int, found {pool}",
        f"worker 'optional': context.resources: expected str | None, found {pool}",
    )
    assert steps == ["opened", "closed by ConfigError"]
    assert app.recorder.of(QueueStarted) == []


async def test_resources_without_a_lifespan_are_an_error_before_the_store_is_opened(
    sqlite_app: Harness,
) -> None:
    opened: list[str] = []
    store = Wrapped(sqlite_app.database.store(), open=lambda: opened.append("opened"))
    config = sqlite_app.config(use, other, optional, store=store)
    with pytest.raises(ConfigError) as caught:
        async with bgjobs.run(config):
            raise AssertionError("it must not start")
    assert caught.value.problems == (
        f"worker 'use': context.resources: expected {__name__}.Pool, found no lifespan",
        "worker 'other': context.resources: expected int, found no lifespan",
    )
    assert opened == []


async def test_workers_that_run_elsewhere_may_expect_other_resources(
    sqlite_app: Harness,
) -> None:
    async with bgjobs.run(sqlite_app.config(fine, enqueue_only=[use])) as bg:
        await bg.enqueue(use.request())
    async with bgjobs.connect(sqlite_app.config(use)) as client:
        await client.enqueue(use.request())


async def test_a_scheduled_job_that_is_added_must_fit_the_resources(
    sqlite_app: Harness,
) -> None:
    config = sqlite_app.config(fine, lifespan=lifespan(Steps(), "text"))
    async with bgjobs.run(config) as bg:
        with pytest.raises(ConfigError) as caught:
            await bg.add_scheduled_job(bgjobs.ScheduledJob(use, every(hours=1)))
        assert bg.scheduled_jobs == ()
    assert caught.value.problems == (
        f"worker 'use': context.resources: expected {__name__}.Pool, found str",
    )
