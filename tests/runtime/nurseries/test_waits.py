"""How many handlers may wait for children, and what is recorded about those that do."""

import time
from collections.abc import Sequence
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs._core.settlements import Settlement
from bgjobs.events import JobPostponed
from bgjobs.stores.types import NewJob, Written
from tests.runtime.conftest import Harness, Wrapped
from tests.runtime.nurseries.families import ONE_TRY, double, fibonacci, nurseries

pytestmark = pytest.mark.anyio


@bgjobs.worker(keep_result=True)
async def parent(context: bgjobs.JobContext, number: int) -> int:
    async with context.open_nursery() as nursery:
        child = await nursery.enqueue(double.request(number).available_in(seconds=0.2))
    return child.result


async def test_jobs_without_a_parent_take_half_of_the_waiting_places(app: Harness) -> None:
    queue = {"max_waiting": 4, "max_retries": 0, "concurrency": 3}
    async with bgjobs.run(app.config(parent, double, queue=queue)) as bg:
        jobs = await bg.enqueue_many(parent.request(one) for one in range(6))
        assert [await bg.result(job) for job in jobs] == [0, 2, 4, 6, 8, 10]
        postponed = app.recorder.of(JobPostponed)
        assert postponed
        assert {event.waiting for event in postponed} == {2}
        for job in jobs:
            ended = await bg.find(job.id)
            assert ended is not None
            assert (ended.attempts, ended.interruptions) == (0, 0)


async def test_a_nested_handler_beyond_the_limit_fails(app: Harness) -> None:
    queue = {"max_waiting": 3, **ONE_TRY}
    async with bgjobs.run(app.config(fibonacci, queue=queue)) as bg:
        ended = await bg.wait_for(await bg.enqueue(fibonacci.request(6)))
        assert isinstance(ended, bgjobs.FailedJob)
        await bg.drain()
        failed = await bg.list(bgjobs.JobFilter("failed"))
        assert any(
            "TooManyWaitingError: queue 'default': 3 handlers wait for children already, as "
            "many as max_waiting allows" in job.error
            for job in failed
        )


async def test_a_deep_tree_ends_with_few_waiting_places(app: Harness) -> None:
    queue = {"max_waiting": 15, "concurrency": 1, "max_retries": 0}
    async with bgjobs.run(app.config(fibonacci, queue=queue)) as bg:
        assert await bg.result(await bg.enqueue(fibonacci.request(8))) == 21


async def test_few_handlers_wait_while_ends_are_committed_slowly(sqlite_app: Harness) -> None:
    """Else each slot would begin other parts of the tree, whose handlers wait as well."""
    store = sqlite_app.database.store()

    def write(
        enqueue: Sequence[NewJob] = (), settle: Sequence[Settlement] = (), **more: Any
    ) -> Written:
        if settle:
            time.sleep(0.02)  # what the test is about
        return store.write(enqueue, settle, **more)

    slow: Any = Wrapped(store, write=write)
    queue = {"max_waiting": 10, "concurrency": 1, "max_retries": 0}
    async with bgjobs.run(sqlite_app.config(fibonacci, store=slow, queue=queue)) as bg:
        assert await bg.result(await bg.enqueue(fibonacci.request(8))) == 21


async def test_waits_of_more_than_a_second_are_recorded_until_they_end(app: Harness) -> None:
    go_on = anyio.Event()

    @bgjobs.worker
    async def child() -> None:
        await go_on.wait()

    @bgjobs.worker
    async def waiter(context: bgjobs.JobContext) -> None:
        async with context.open_nursery() as nursery:
            await nursery.enqueue(child.request())
        await anyio.sleep_forever()

    async with bgjobs.run(app.config(waiter, child, queue=ONE_TRY)) as bg:
        job = await bg.enqueue(waiter.request())
        with app.opened() as store, anyio.fail_after(30):
            found = nurseries(store)
            while not bg.queue("default").waiting:
                await anyio.sleep(0.02)
            held = app.stored(job).reservation
            while not found.waiting_among([held]):
                await anyio.sleep(0.1)
            go_on.set()
            while found.waiting_among([held]):
                await anyio.sleep(0.1)
        bg.stop(grace=0)
    assert app.stored(job).interruptions == 1
