"""`Recorder`: find events, and wait for them."""

from datetime import timedelta

import anyio
import pytest

import bgjobs
from bgjobs import events
from bgjobs.testing import Recorder, drain, run_virtual
from tests.testing.conftest import real_time

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def good() -> None: ...


@bgjobs.worker
async def bad() -> None:
    raise bgjobs.Discard("no")


QUEUE = bgjobs.Queue("default", workers=[good, bad])
CONFIG = bgjobs.Config(store=bgjobs.SQLiteStore(":memory:"), queues=[QUEUE])


async def test_events_are_found_by_kind_and_by_worker() -> None:
    recorder = Recorder()
    async with run_virtual(CONFIG, listeners=[recorder]) as bg:
        await bg.enqueue_many([good.request(), bad.request(), good.request()])
        await drain(bg)
        assert len(recorder.of(events.JobStarted)) == 3
        assert len(recorder.of(events.JobStarted, good)) == 2
        assert recorder.of(events.QueueStarted, good) == []
        assert recorder.one(events.JobDiscarded).reason == "no"
        assert recorder.one(events.JobStarted, bad).job.name == "bad"
        assert recorder.names(events.JobDiscarded) == ["JobDiscarded"]
        recorder.clear()
        assert recorder.events == []


async def test_one_names_the_last_events() -> None:
    recorder = Recorder()
    with pytest.raises(AssertionError) as caught:
        recorder.one(events.JobFailed)
    expected = "expected one JobFailed, found 0; the last events were: none"
    assert str(caught.value) == expected
    for _ in range(2):
        recorder(events.NoWorkerForJob("mail"))
    with pytest.raises(AssertionError, match=r"found 2; .*: NoWorkerForJob, NoWorkerForJob$"):
        recorder.one(events.NoWorkerForJob)


async def test_wait_for_counts_earlier_events_too() -> None:
    recorder = Recorder()
    async with run_virtual(CONFIG, listeners=[recorder]) as bg:
        await bg.enqueue(good.request().available_in(days=30))
        await recorder.wait_for(events.JobSucceeded, worker=good)
        await bg.enqueue(bad.request())
        await recorder.wait_for(events.JobStarted, 2)
        assert len(await recorder.wait_for(events.JobStarted)) == 2


@real_time
async def test_several_tasks_may_wait_at_once() -> None:
    recorder, arrived = Recorder(), list[str]()

    async def wait(name: str) -> None:
        await recorder.wait_for(events.NoWorkerForJob)
        arrived.append(name)

    async with anyio.create_task_group() as group:
        for name in ("a", "b"):
            group.start_soon(wait, name)
        await anyio.wait_all_tasks_blocked()
        recorder(events.NoWorkerForJob("mail"))
    assert sorted(arrived) == ["a", "b"]


async def test_a_timeout_names_the_last_events() -> None:
    recorder = Recorder()
    recorder(events.NoWorkerForJob("mail"))
    with pytest.raises(TimeoutError) as caught:
        await recorder.wait_for(events.JobFailed, 2, within=timedelta(days=3))
    assert str(caught.value) == (
        "expected 2 of JobFailed, found 0; the last events were: NoWorkerForJob"
    )
