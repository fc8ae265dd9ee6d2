"""What clients read of waiting handlers and of parents."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

import bgjobs
from bgjobs.events import JobEnqueued, JobStarted, JobSucceeded
from bgjobs.stores.sqlite.nurseries import SQLiteNurseries
from tests.runtime.conftest import Harness
from tests.runtime.nurseries.families import ONE_TRY, double, fibonacci, sleep

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def wait(context: bgjobs.JobContext) -> None:
    """Start a child that sleeps, and wait for it."""
    async with context.open_nursery() as nursery:
        await nursery.enqueue(sleep.request())


@asynccontextmanager
async def waiting(app: Harness) -> AsyncIterator[tuple[bgjobs.BgJobs, bgjobs.Job]]:
    """Run a job until its wait is recorded, and cancel it in the end."""
    async with bgjobs.run(app.config(wait, sleep, double, queue=ONE_TRY)) as bg:
        job = await bg.enqueue(wait.request())
        with anyio.fail_after(60):
            while not (found := [*await bg.list(bgjobs.JobFilter("running"))]) or (
                not await bg.waits(*found)
            ):
                await anyio.sleep(0.1)
        yield bg, next(one for one in found if one.id == job.id)
        await bg.admin.cancel(job.id, reason="the test is over")
        await bg.wait_for(job)


async def test_a_client_knows_which_handlers_wait_and_since_when(app: Harness) -> None:
    async with waiting(app) as (bg, job):
        jobs = await bg.list(bgjobs.JobFilter("running"))
        assert {one.name for one in jobs} == {"wait", "sleep"}
        found = await bg.waits(*jobs)
        assert [*found] == [job.id]
        assert job.reserved_at is not None
        assert found[job.id] >= job.reserved_at
        [owner] = await bg.admin.owners()
        assert (owner.running, owner.waiting) == (2, 1)
        tree = await bg.tree(job)
        entries = await bg.timeline(job, tree=tree)
        assert [(one.what, one.child) for one in entries] == [
            *(("enqueued", None), ("attempt 1 reserved", None)),
            ("child started", tree.children[0].id),
            ("waits for children", None),
        ]
        assert entries[-1].at == found[job.id]
        alone = await bg.timeline(job)
        assert [one.what for one in alone] == ["enqueued", "attempt 1 reserved"]


async def test_only_running_jobs_are_asked_about(
    sqlite_app: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bgjobs.run(sqlite_app.config(double)) as bg:
        ended = await bg.wait_for(await bg.enqueue(double.request(1)))
        monkeypatch.delattr(SQLiteNurseries, "waiting_among")
        delayed = await bg.enqueue(double.request(1).available_in(hours=1))
        assert await bg.waits() == {}
        assert await bg.waits(ended, delayed) == {}


async def test_a_child_leads_to_its_parent(app: Harness) -> None:
    async with bgjobs.run(app.config(fibonacci, double)) as bg:
        root = await bg.enqueue(fibonacci.request(2))
        ended = await bg.wait_for(root)
        tree = await bg.tree(root)
        for one in tree.children:
            assert one.job is not None
            assert await bg.parent(one.job) == ended
        assert await bg.parent(ended) is None
        assert await bg.admin.delete(root.id) == [root.id]
        assert tree.children[0].job is not None
        assert await bg.parent(tree.children[0].job) is None


async def test_the_parent_may_be_a_nursery_of_an_application(app: Harness) -> None:
    async with bgjobs.run(app.config(double)) as bg:
        async with bg.open_nursery() as nursery:
            child = await nursery.enqueue(double.request(1))
            await child.wait()
            during = await bg.parent(child.job)
        assert isinstance(during, bgjobs.Owner)
        assert (during.id, during.name) == (child.job.parent_id, "nursery")
        assert await bg.parent(child.job) == during


async def test_events_of_a_child_name_its_parent(app: Harness) -> None:
    async with bgjobs.run(app.config(fibonacci)) as bg:
        root = await bg.enqueue(fibonacci.request(2))
        await bg.wait_for(root)
        await bg.drain()
    recorder = app.recorder
    for events in (
        recorder.of(JobEnqueued),
        recorder.of(JobStarted),
        recorder.of(JobSucceeded),
    ):
        parents = [str(event.job.parent_id) for event in events]
        assert sorted(parents) == sorted(["None", str(root.id), str(root.id)])
