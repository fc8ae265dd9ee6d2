"""Changes of many jobs in batches: retry, cancel, prune and the retention."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.outcomes import Cancelled
from bgjobs._core.requests import JobRequest
from bgjobs.events import (
    Pruned,
    QueuePaused,
)
from bgjobs.stores.types import NewJob
from tests.runtime.admin.helpers import NO_RETRIES, broken, fail_some, fine, nightly, planned
from tests.runtime.conftest import Harness, Wrapped, virtual_time

pytestmark = pytest.mark.anyio


async def test_all_waiting_jobs_are_cancelled_except_runs_of_schedules(app: Harness) -> None:
    """If the run of a paused schedule were cancelled, the next one would not be paused."""
    async with bgjobs.run(app.config(scheduled_jobs=[nightly()], queues=[])) as bg:
        await planned(bg)
        await bg.admin.schedule("nightly").pause()
    async with bgjobs.run(app.config(queues=[], enqueue_only=[fine])) as bg:
        await bg.enqueue(fine.request().available_in(hours=1))
        later = bgjobs.JobFilter("delayed")
        assert await bg.admin.cancel_all(later, reason="x", by="ann") == 1
        [ended] = await bg.list(bgjobs.JobFilter("cancelled"))
        assert (ended.reason, ended.cancelled_by, ended.name) == ("x", "ann", "fine")
        [kept] = await bg.list(bgjobs.JobFilter("delayed"))
        assert kept.occurrence is not None
        assert kept.occurrence.paused


def after_each(verb: Callable[..., Any], then: Callable[[], None]) -> Callable[..., Any]:
    def called(*args: Any, **kwargs: Any) -> Any:
        answer = verb(*args, **kwargs)
        then()
        return answer

    return called


async def test_jobs_enqueued_while_all_are_cancelled_are_left_out(
    app: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bgjobs._runtime.admin.by_filter.BATCH", 2)
    store, pages = app.database.store(), list[int]()

    def add_jobs() -> None:
        pages.append(1)
        assert len(pages) < 10, "it does not end"
        store.write([NewJob(new_id(), JobRequest("fine", "{}")) for _ in range(2)])

    wrapped = Wrapped(store, list=after_each(store.list, add_jobs))
    config = app.config(queues=[], enqueue_only=[fine], store=wrapped)
    async with bgjobs.run(config) as bg:
        before = await bg.enqueue_many([fine.request()] * 5)
        waiting, cancelled = bgjobs.JobFilter("waiting"), bgjobs.JobFilter("cancelled")
        assert await bg.admin.cancel_all(waiting, reason="x") == 5
        assert (await bg.count()).waiting == 2 * len(pages)
        assert {job.id for job in await bg.list(cancelled)} == {job.id for job in before}


async def test_jobs_that_end_during_prune_are_left_out(app: Harness) -> None:
    store: Any = app.database.store()
    rounds = list[int]()

    def add_jobs() -> None:
        rounds.append(1)
        assert len(rounds) < 10, "it does not end"
        job = NewJob(new_id(), JobRequest("fine", "{}"))
        store.write([job])
        store.operations.cancel([job.id], Cancelled("no"))

    wrapped = Wrapped(store, prune=after_each(store.prune, add_jobs))
    config = app.config(queues=[], enqueue_only=[fine], store=wrapped)
    async with bgjobs.run(config) as bg:
        await bg.enqueue(fine.request())
        await bg.admin.cancel_all(bgjobs.JobFilter("waiting"), reason="x")
        assert await bg.admin.prune(cancelled_for=timedelta(0)) == 1
        assert (await bg.count()).cancelled == len(rounds)


async def test_jobs_of_one_worker_are_pruned(app: Harness) -> None:
    queue = {"max_retries": 0}
    async with bgjobs.run(app.config(fine, broken, queue=queue)) as bg:
        for worker in (fine, broken, fine):
            await bg.wait_for(await bg.enqueue(worker.request()))
        none = timedelta(0)
        seen: list[int] = []
        pruned = await bg.admin.prune(
            name="fine", succeeded_for=none, failed_for=none, progress=seen.append
        )
        assert (pruned, seen) == (2, [2])
        counts = await bg.count()
        assert (counts.succeeded, counts.failed) == (0, 1)
    assert [one.count for one in app.recorder.of(Pruned)] == [2]


async def test_a_cancelled_retry_of_all_failed_jobs_loses_none(
    sqlite_app: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is cancelled between two batches; each job is failed or waiting afterwards."""
    monkeypatch.setattr("bgjobs._runtime.admin.by_filter.BATCH", 2)
    async with bgjobs.run(sqlite_app.config(broken, **NO_RETRIES)) as bg:
        ids = await fail_some(bg, *"abcdefg")
        await bg.admin.pause_queue("default")
        await sqlite_app.recorder.wait_for(QueuePaused)
        with anyio.CancelScope() as scope:

            def cancel_at_four(done: int) -> None:
                if done == 4:
                    scope.cancel()

            await bg.admin.retry_all(bgjobs.JobFilter("failed"), progress=cancel_at_four)
        assert scope.cancelled_caught
        waiting = {job.id for job in await bg.list(bgjobs.JobFilter("waiting"))}
        failed = {job.id for job in await bg.list(bgjobs.JobFilter("failed"))}
        assert (len(waiting), waiting | failed) == (4, set(ids))
        assert await bg.admin.retry_all(bgjobs.JobFilter("failed")) == 3


@bgjobs.worker
async def note(number: int = 0) -> None:
    """End well."""


@bgjobs.worker
async def discarded() -> None:
    raise bgjobs.Discard("not needed")


@virtual_time
async def test_the_retention_deletes_ended_jobs_that_are_old_enough(
    virtual_app: Harness,
) -> None:
    retention = bgjobs.Retention(succeeded=timedelta(hours=1), failed=None, interval=600)
    config = virtual_app.config(
        note, discarded, queue={"poll_interval": 3600}, retention=retention
    )
    async with bgjobs.run(config) as bg:
        await bg.enqueue_many([note.request(), note.request(), discarded.request()])
        await bg.drain()
        await anyio.sleep(3590)
        assert virtual_app.recorder.of(Pruned) == []
        await anyio.sleep(620)
        counts = await bg.count()
    assert virtual_app.recorder.of(Pruned) == [Pruned(2)]
    assert (counts.succeeded, counts.failed) == (0, 1)
