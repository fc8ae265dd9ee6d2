"""Many parents at once, paused queues, suspects, and retention while a parent waits."""

from contextlib import closing
from datetime import timedelta

import anyio
import pytest

import bgjobs
from bgjobs.events import JobPostponed
from tests.fixtures.prepared_rows import crashed_before
from tests.runtime.conftest import Harness, virtual_time_on_both
from tests.runtime.nurseries.families import double

pytestmark = pytest.mark.anyio

LAST = 3
"""The number of crashes after which the next one fails a job."""
MOMENT = timedelta(milliseconds=1)


@bgjobs.worker(keep_result=True)
async def parent(context: bgjobs.JobContext, number: int) -> int:
    async with context.open_nursery() as nursery:
        child = await nursery.enqueue(double.request(number))
    return child.result


@bgjobs.worker
async def patient(context: bgjobs.JobContext, number: int) -> None:
    async with context.open_nursery() as nursery:
        await nursery.enqueue(double.request(number).available_in(hours=1))


async def wait_until_waiting(bg: bgjobs.BgJobs, number: int, queue: str = "default") -> None:
    with anyio.fail_after(60):
        while len(bg.queue(queue).waiting) < number:
            await anyio.sleep(0.01)


@virtual_time_on_both
async def test_more_parents_than_waiting_places_all_end(virtual_app: Harness) -> None:
    queue = {"max_waiting": 10, "max_retries": 0, "concurrency": 10}
    async with bgjobs.run(virtual_app.config(parent, double, queue=queue)) as bg:
        await bg.enqueue_many(parent.request(one) for one in range(500))
        await bg.drain(with_delayed=True)
        counts = await bg.count()
    assert (counts.succeeded, counts.failed) == (1000, 0)
    assert {event.waiting for event in virtual_app.recorder.of(JobPostponed)} <= set(
        range(5, 11)
    )


async def test_a_stop_with_a_thousand_waiting_handlers_counts_for_none(
    sqlite_app: Harness,
) -> None:
    queue = {"max_waiting": 2000, "concurrency": 50}
    async with bgjobs.run(sqlite_app.config(patient, double, queue=queue)) as bg:
        jobs = await bg.enqueue_many(patient.request(one) for one in range(1000))
        await wait_until_waiting(bg, 1000)
        bg.stop(grace=3600)
    async with bgjobs.connect(sqlite_app.config(patient, double)) as client:
        chosen = bgjobs.JobFilter("waiting", name=patient.name)
        left = await client.list(chosen, bgjobs.Page(1000))
    assert {job.id for job in left} == {job.id for job in jobs}
    assert {(job.interruptions, job.crashes) for job in left} == {(0, 0)}


async def test_a_parent_waits_for_a_child_of_a_paused_queue(app: Harness) -> None:
    queues = [bgjobs.Queue("up", workers=[parent]), bgjobs.Queue("down", workers=[double])]
    async with bgjobs.run(app.config(queues=queues)) as bg:
        bg.queue("down").pause()
        job = await bg.enqueue(parent.request(4))
        await wait_until_waiting(bg, 1, "up")
        bg.queue("up").pause()  # what it runs goes on
        bg.queue("down").resume()
        assert await bg.result(job) == 8


@virtual_time_on_both
async def test_a_suspect_waits_for_a_child_that_is_a_suspect(virtual_app: Harness) -> None:
    """Suspects run one at a time, but a handler that waits is none of them."""
    crashed_before(virtual_app.database, [parent.request(4)], crashes=LAST)
    both = virtual_app.config(parent, double)
    with anyio.fail_after(1000):
        async with bgjobs.run(virtual_app.config(parent, enqueue_only=[double])) as bg:
            await wait_until_waiting(bg, 1)
        set_crashes(virtual_app, LAST)
        async with bgjobs.run(both) as bg:
            await bg.drain(with_delayed=True)
            counts = await bg.count()
    assert (counts.succeeded, counts.failed) == (2, 0)


def set_crashes(app: Harness, crashes: int) -> None:
    """Store that each live job was running when so many processes died."""
    with closing(app.database.connect()) as connection, connection:
        connection.execute(f"update bgjobs_jobs set crashes = {crashes:d}")


async def test_children_that_have_ended_are_kept_until_their_parent_ends(app: Harness) -> None:
    """The parent is interrupted after half of its children, which do not run again."""
    runs = list[int]()

    @bgjobs.worker(keep_result=True)
    async def part(number: int) -> int:
        runs.append(number)
        return number

    @bgjobs.worker(keep_result=True)
    async def whole(context: bgjobs.JobContext, wait: float) -> int:
        async with context.open_nursery() as nursery:
            late = part.request(3).available_in(seconds=wait)
            children = [
                *await nursery.enqueue_many(part.request(one) for one in (1, 2)),
                await nursery.enqueue(late),
            ]
        return sum(child.result for child in children)

    retention = bgjobs.Retention(succeeded=MOMENT, failed=MOMENT, interval=0.05)
    async with bgjobs.run(app.config(whole, part, retention=retention)) as bg:
        job = await bg.enqueue(whole.request(0.5))
        await wait_until_waiting(bg, 1)
        with anyio.fail_after(60):
            while len(runs) < 2:
                await anyio.sleep(0.01)
        await anyio.sleep(0.2)  # several searches for what can be deleted
        bg.stop()
    async with bgjobs.run(app.config(whole, part)) as bg:
        assert await bg.result(job) == 6
    assert sorted(runs) == [1, 2, 3]
