"""Listing, counting, retrying, changing and deleting jobs through `Admin`."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import anyio
import anyio.lowlevel
import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import CancelledJob, SucceededJob
from bgjobs.errors import (
    SchemaMismatchError,
)
from bgjobs.events import AdminAction, JobEnqueued
from bgjobs.stores.pages import Page
from bgjobs.stores.types import SCHEMA_VERSION
from tests.runtime.admin.helpers import NO_RETRIES, broken, fail_some, fine
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def idle() -> None:
    """No queue has it, so its jobs stay waiting."""


async def test_failed_jobs_are_found_and_retried(app: Harness) -> None:
    async with bgjobs.run(app.config(broken, fine, **NO_RETRIES)) as bg:
        one, other = await fail_some(bg, "alpha.example", "beta.example")
        [found] = await bg.list(bgjobs.JobFilter("failed", search="route beta ex*"))
        assert (found.id, found.attempts) == (other, 0)
        assert len(await bg.list(bgjobs.JobFilter("failed", name="broken"))) == 2
        assert await bg.list(bgjobs.JobFilter("failed", name="fine")) == []
        assert await bg.admin.retry(one, new_id()) == [one]
        again = await bg.wait_for(one)
        assert [error.attempt for error in again.errors] == [1, 1]
        assert again.reservations == 2
        assert await bg.admin.retry_all(bgjobs.JobFilter("failed", search="alpha")) == 1
    assert [(reported.action, reported.count) for reported in app.recorder.of(AdminAction)] == [
        ("retry", 1),
        ("retry_all", 1),
    ]


async def test_every_state_is_listed_and_counted(sqlite_app: Harness) -> None:
    gate = anyio.Event()

    @bgjobs.worker
    async def stuck() -> None:
        await gate.wait()

    queue = {"concurrency": 1, "max_retries": 0}
    config = sqlite_app.config(stuck, broken, fine, queue=queue, enqueue_only=[idle])
    async with bgjobs.run(config) as bg:
        done = await bg.wait_for(await bg.enqueue(fine.request()))
        [failed] = await fail_some(bg, "x")
        running = await bg.enqueue(stuck.request())
        while not await bg.list(bgjobs.JobFilter("running")):
            await anyio.lowlevel.checkpoint()
        waiting = await bg.enqueue(idle.request())
        delayed = await bg.enqueue(fine.request().available_in(hours=1))
        cancelled = await bg.enqueue(fine.request().available_in(hours=1))
        await bg.admin.cancel(cancelled.id, reason="no")
        states: dict[bgjobs.State, UUID] = {
            "waiting": waiting.id,
            "delayed": delayed.id,
            "running": running.id,
            "succeeded": done.id,
            "failed": failed,
            "cancelled": cancelled.id,
        }
        for state, expected in states.items():
            found = await bg.list(bgjobs.JobFilter(state))
            assert [(job.id, job.state) for job in found] == [(expected, state)]
            assert found.after is None
        assert len(await bg.list(bgjobs.JobFilter("succeeded", name="fine"))) == 1
        assert await bg.list(bgjobs.JobFilter("running", name="fine")) == []
        counts = await bg.count()
        assert counts == bgjobs.Counts(
            waiting=1, delayed=1, running=1, succeeded=1, failed=1, cancelled=1
        )
        assert (await bg.count(["broken"])).failed == 1
        gate.set()


async def test_waiting_jobs_are_cancelled_and_changed(app: Harness) -> None:
    async with bgjobs.run(app.config(fine)) as bg:
        later = fine.request().available_in(hours=1)
        later_ones = bgjobs.JobFilter("delayed", name="fine")
        one, other, third = await bg.enqueue_many([later, later, later])
        assert await bg.admin.cancel(one.id, reason="not needed") == bgjobs.Cancellation(
            [one.id], []
        )
        ended = await bg.wait_for(one)
        assert isinstance(ended, CancelledJob)
        assert ended.reason == "not needed"
        due = datetime(2060, 1, 1, tzinfo=UTC)
        assert await bg.admin.reschedule(other.id, one.id, at=due) == [other.id]
        assert await bg.admin.change_priority(other.id, priority=7) == [other.id]
        changed = await bg.find(other.id)
        assert isinstance(changed, bgjobs.Job)
        assert (changed.available_at, changed.priority) == (due, 7)
        assert await bg.admin.reschedule(other.id, in_=timedelta(0)) == [other.id]
        assert isinstance(await bg.wait_for(other), SucceededJob)
        assert await bg.admin.cancel_all(later_ones, reason="enough") == 1
        assert isinstance(await bg.wait_for(third), CancelledJob)


async def test_owners_are_listed_with_their_leases(app: Harness) -> None:
    async with bgjobs.run(app.config(fine, lease=30.0)) as bg:
        await bg.wait_for(await bg.enqueue(fine.request()))
        [owner] = await bg.admin.owners()
        assert (owner.name, owner.running) == ("default", 0)
        assert timedelta(0) < owner.lease_left <= timedelta(seconds=30)
    async with bgjobs.connect(app.config(fine)) as client:
        admin = client.admin
        assert await admin.owners() == []


async def test_connect_runs_nothing_and_migrates_nothing(app: Harness) -> None:
    config = app.config(fine)
    with pytest.raises(SchemaMismatchError, match="found 0"):
        async with bgjobs.connect(config):
            raise AssertionError("it must not start")
    config.store.open()
    assert len(config.store.migrate()) == SCHEMA_VERSION
    config.store.close()
    async with bgjobs.connect(config) as client:
        job = await client.enqueue(fine.request())
        assert (await client.admin.schema()).found == SCHEMA_VERSION
        assert [one.id for one in await client.list(bgjobs.JobFilter("waiting"))] == [job.id]
        assert app.recorder.names()[-1] == JobEnqueued.__name__ or app.recorder.of(JobEnqueued)


async def test_diagnose_finds_no_problem_in_a_sound_database(app: Harness) -> None:
    async with bgjobs.run(app.config(fine)) as bg:
        findings = await bg.admin.diagnose()
    assert [one for one in findings if one.level == "problem"] == []
    assert "index use" in {one.check for one in findings}


async def test_jobs_are_deleted_unless_they_run(app: Harness) -> None:
    gate = anyio.Event()

    @bgjobs.worker
    async def stuck() -> None:
        await gate.wait()

    queue = {"concurrency": 1, "max_retries": 0}
    config = app.config(stuck, broken, fine, queue=queue, enqueue_only=[idle])
    async with bgjobs.run(config) as bg:
        done = await bg.wait_for(await bg.enqueue(fine.request()))
        failed = await bg.wait_for(await bg.enqueue(broken.request()))
        running = await bg.enqueue(stuck.request())
        while not await bg.list(bgjobs.JobFilter("running")):
            await anyio.lowlevel.checkpoint()
        waiting = await bg.enqueue(idle.request())
        delayed = await bg.enqueue(idle.request().available_in(hours=1))
        ended = [done.id, failed.id, waiting.id, delayed.id]

        deleted = await bg.admin.delete(*ended, running.id, new_id())

        assert sorted(deleted) == sorted(ended)
        assert await bg.count() == bgjobs.Counts(
            waiting=0, delayed=0, running=1, succeeded=0, failed=0, cancelled=0
        )
        assert await bg.admin.delete() == []
        gate.set()
        assert isinstance(await bg.wait_for(running), bgjobs.SucceededJob)
    reported = [(one.action, one.count) for one in app.recorder.of(AdminAction)]
    assert reported == [("delete", 4), ("delete", 0)]


async def test_jobs_are_filtered_by_metadata(
    app: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page is full although only some of the jobs that are read match."""
    monkeypatch.setattr("bgjobs.stores.filters._PART", 2)
    requests = [fine.request().with_metadata(part=str(n % 3), shop="x") for n in range(9)]
    async with bgjobs.run(app.config(queues=[], enqueue_only=[fine])) as bg:
        jobs = await bg.enqueue_many([*requests, fine.request()])
        wanted = [job.id for job in jobs[1::3]]
        chosen = {"part": "1", "shop": "x"}

        found = await bg.list(bgjobs.JobFilter("waiting", metadata=chosen))
        first = await bg.list(bgjobs.JobFilter("waiting", metadata=chosen), Page(2))
        then = await bg.list(
            bgjobs.JobFilter("waiting", metadata=chosen), Page(2, first[-1].id)
        )

        assert [job.id for job in found] == wanted
        assert [job.id for job in [*first, *then]] == wanted
        assert (
            await bg.list(bgjobs.JobFilter("waiting", metadata={"part": "1", "shop": "y"}))
            == []
        )
        assert len(await bg.list(bgjobs.JobFilter("waiting", metadata={}))) == 10
        wrong: Any = {"part": 1}
        with pytest.raises(TypeError, match=r"^metadata: value: expected str, found int"):
            bgjobs.JobFilter("waiting", metadata=wrong)
