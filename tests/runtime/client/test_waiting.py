"""Waiting for the end of a job."""

import anyio
import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import FailedJob, SucceededJob
from bgjobs.errors import DuplicateJobError, UnknownJobError
from tests.runtime.conftest import Harness, virtual_time

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def fine() -> None:
    """End well."""


@bgjobs.worker
async def broken() -> None:
    raise ValueError("no")


async def test_a_job_of_this_process_and_of_another(app: Harness) -> None:
    config = app.config(fine, broken, queue={"max_retries": 0})
    producer = app.config(queues=[], enqueue_only=[fine, broken])
    async with bgjobs.run(config) as bg, bgjobs.run(producer) as elsewhere:
        for waiting in (bg, elsewhere):
            good = await elsewhere.enqueue(fine.request())
            bad = await elsewhere.enqueue(broken.request())
            assert isinstance(await waiting.wait_for(good), SucceededJob)
            assert isinstance(await waiting.wait_for(bad.id), FailedJob)


async def test_one_that_ended_before_is_given_at_once_and_an_unknown_one_refused(
    sqlite_app: Harness,
) -> None:
    async with bgjobs.run(sqlite_app.config(fine)) as bg:
        job = await bg.enqueue(fine.request())
        assert await bg.wait_for(job) == await bg.wait_for(job)
        with pytest.raises(UnknownJobError):
            await bg.wait_for(new_id())


@virtual_time
async def test_giving_up_leaves_the_job_alone(virtual_app: Harness) -> None:
    async with bgjobs.run(virtual_app.config(fine)) as bg:
        job = await bg.enqueue(fine.request().available_in(hours=1))
        with anyio.move_on_after(60) as scope:
            await bg.wait_for(job)
        assert scope.cancelled_caught
        assert bg._services.wakeups._endings == []
        assert isinstance(await bg.wait_for(job), SucceededJob)


async def test_a_duplicate_may_be_an_error(app: Harness) -> None:
    async with bgjobs.run(app.config(fine)) as bg:
        later = fine.request().available_in(hours=1)
        first = await bg.enqueue(later.unique("a"))
        assert await bg.enqueue(later.unique("a")) == first
        again = later.unique("a", on_conflict="raise")
        with pytest.raises(DuplicateJobError) as caught:
            await bg.enqueue_many([later, again, later.unique("b")])
        assert str(caught.value) == (f"job {first.id} of worker 'fine' has the unique key 'a'")
        assert caught.value.holder == first.id
        assert [job.id for job in await bg.enqueued()] == [first.id]
        assert (await bg.enqueue(later.unique("b", on_conflict="raise"))).unique_key == "b"


async def test_two_requests_of_one_call_hold_no_key_of_each_other(app: Harness) -> None:
    async with bgjobs.run(app.config(fine)) as bg:
        again = fine.request().available_in(hours=1).unique("a", on_conflict="raise")
        with pytest.raises(DuplicateJobError) as caught:
            await bg.enqueue_many([again, again])
        assert str(caught.value) == (
            "two requests of one call for worker 'fine' have the unique key 'a'; "
            "nothing of this call was stored"
        )
        assert caught.value.holder is None
        assert await bg.enqueued() == []


async def test_a_duplicate_in_another_s_batch_fails_only_its_own(app: Harness) -> None:
    async with bgjobs.run(app.config(fine)) as bg:
        later = fine.request().available_in(hours=1)
        await bg.enqueue(later.unique("a"))
        refused: list[DuplicateJobError] = []

        async def refuse() -> None:
            try:
                await bg.enqueue(later.unique("a", on_conflict="raise"))
            except DuplicateJobError as error:
                refused.append(error)

        async def store() -> None:
            await bg.enqueue(later)

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(store)
                tasks.start_soon(refuse)
        assert len(refused) == 5
        assert (await bg.count()).delayed == 6
