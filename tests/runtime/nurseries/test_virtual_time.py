"""Nurseries in virtual time, where a wait of days passes in an instant."""

import pytest

import bgjobs
from bgjobs.testing import drain, run_virtual
from tests.runtime.conftest import virtual_time_on_both
from tests.runtime.nurseries.families import double, fibonacci

pytestmark = pytest.mark.anyio


@bgjobs.worker(keep_result=True)
async def patient(context: bgjobs.JobContext) -> int:
    async with context.open_nursery() as nursery:
        child = await nursery.enqueue(double.request(1).available_in(days=3))
    return child.result


@virtual_time_on_both
async def test_a_child_that_runs_in_days_is_waited_for() -> None:
    config = bgjobs.Config(
        store=bgjobs.SQLiteStore(":memory:"),
        queues=[bgjobs.Queue("q", workers=[patient, double, fibonacci])],
    )
    async with run_virtual(config) as bg:
        job = await bg.enqueue(patient.request())
        tree = await bg.enqueue(fibonacci.request(6))
        await drain(bg)
        assert await bg.result(job) == 2
        assert await bg.result(tree) == 8


@virtual_time_on_both
async def test_few_handlers_wait_at_a_time() -> None:
    """The jobs of a tree run depth first, so hardly more wait than there are levels."""
    queue = bgjobs.Queue("q", workers=[fibonacci], concurrency=1, max_waiting=15, max_retries=0)
    config = bgjobs.Config(store=bgjobs.SQLiteStore(":memory:"), queues=[queue])
    async with run_virtual(config) as bg:
        job = await bg.enqueue(fibonacci.request(12))
        await drain(bg)
        assert await bg.result(job) == 144
