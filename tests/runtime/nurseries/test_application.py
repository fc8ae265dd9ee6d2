"""Nurseries of applications: `BgJobs.open_nursery`."""

import anyio
import pytest

import bgjobs
from bgjobs.errors import ChildFailedError, NotRunningError
from tests.runtime.conftest import Harness
from tests.runtime.nurseries.families import ONE_TRY, double, fail, fibonacci, sleep

pytestmark = pytest.mark.anyio


async def test_the_block_ends_after_its_children_and_has_their_results(app: Harness) -> None:
    async with bgjobs.run(app.config(double, fibonacci)) as bg:
        async with bg.open_nursery() as nursery:
            parts = await nursery.enqueue_many(double.request(one) for one in (1, 2, 3))
            deep = await nursery.enqueue(fibonacci.request(5))
        assert [part.result for part in parts] == [2, 4, 6]
        assert deep.result == 5
        assert {part.job.priority for part in parts} == {0}
        assert [owner.name for owner in await bg.admin.owners()] == ["default"]


async def test_a_failure_is_raised_in_a_group(app: Harness) -> None:
    async with bgjobs.run(app.config(fail, sleep, queue=ONE_TRY)) as bg:
        with pytest.raises(ExceptionGroup) as caught:
            async with bg.open_nursery() as nursery:
                other = await nursery.enqueue(sleep.request())
                await nursery.enqueue(fail.request("no"))
                await anyio.sleep_forever()
        assert any(isinstance(error, ChildFailedError) for error in caught.value.exceptions)
        assert other.job.state == "cancelled"


async def test_a_cancelled_block_cancels_its_children(app: Harness) -> None:
    async with bgjobs.run(app.config(sleep, queue=ONE_TRY)) as bg:
        with anyio.CancelScope() as scope:
            async with bg.open_nursery() as nursery:
                child = await nursery.enqueue(sleep.request())
                scope.cancel()
        assert scope.cancelled_caught
        assert child.job.state == "cancelled"


async def test_an_error_of_the_block_is_raised_as_it_is(app: Harness) -> None:
    async with bgjobs.run(app.config(sleep, queue=ONE_TRY)) as bg:
        with pytest.raises(LookupError, match="mine"):
            async with bg.open_nursery() as nursery:
                child = await nursery.enqueue(sleep.request())
                raise LookupError("mine")
        assert child.job.state == "cancelled"


async def test_an_application_that_has_ended_opens_none(sqlite_app: Harness) -> None:
    async with bgjobs.run(sqlite_app.config(double)) as bg:
        pass
    with pytest.raises(NotRunningError):
        bg.open_nursery()
