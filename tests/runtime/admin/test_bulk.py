"""Operators end and delete jobs, runs of schedules too, and nothing that comes later."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import anyio
import anyio.lowlevel
import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import FailedJob
from bgjobs._core.requests import JobRequest
from bgjobs.events import AdminAction, Pruned
from bgjobs.stores.pages import Page
from bgjobs.stores.types import NewJob
from tests.runtime.conftest import Harness, Wrapped

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def fine() -> None: ...


@bgjobs.worker
async def idle() -> None:
    """Run by no queue here, which might reserve it ahead."""


@bgjobs.worker
async def broken() -> None:
    raise ConnectionError


def nightly(**settings: Any) -> bgjobs.ScheduledJob:
    schedule = bgjobs.schedule().at(2, 30).build()
    return bgjobs.ScheduledJob(fine, schedule, name="nightly", poll_interval=0.1, **settings)


async def planned(admin: bgjobs.Admin, but: UUID | None = None) -> bgjobs.Job:
    """Wait for a run that waits, another one than this."""
    while True:
        for job in await admin.list("delayed"):
            if job.id != but and isinstance(job, bgjobs.Job):
                return job
        await anyio.sleep(0.01)


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
        while not await bg.admin.list("running"):
            await anyio.lowlevel.checkpoint()
        waiting = await bg.enqueue(idle.request())
        delayed = await bg.enqueue(idle.request().available_in(hours=1))
        ended = [done.id, failed.id, waiting.id, delayed.id]

        deleted = await bg.admin.delete(*ended, running.id, new_id())

        assert sorted(deleted) == sorted(ended)
        assert await bg.count() == bgjobs.Counts(
            waiting=0, delayed=0, running=1, succeeded=0, failed=0
        )
        assert await bg.admin.delete() == []
        gate.set()
        assert isinstance(await bg.wait_for(running), bgjobs.SucceededJob)
    told = [(one.action, one.count) for one in app.recorder.of(AdminAction)]
    assert told == [("delete", 4), ("delete", 0)]


@pytest.mark.parametrize("ending", ["cancel", "delete"])
async def test_a_waiting_run_is_ended_and_its_schedule_plans_anew(
    app: Harness, ending: str
) -> None:
    async with bgjobs.run(app.config(scheduled_jobs=[nightly()], queues=[])) as bg:
        first = await planned(bg.admin)
        assert await bg.admin.reschedule(first.id, in_=timedelta(0)) == []
        if ending == "cancel":
            found = await bg.admin.cancel(first.id, reason="x")
            assert found == bgjobs.Cancellation([first.id], [])
            assert isinstance(await bg.find(first.id), FailedJob)
        else:
            assert await bg.admin.delete(first.id) == [first.id]
            assert await bg.find(first.id) is None
        again = await planned(bg.admin, but=first.id)
        assert again.occurrence == first.occurrence


@pytest.mark.parametrize("ending", ["cancel", "delete"])
async def test_a_run_of_a_schedule_that_is_no_more_is_ended(app: Harness, ending: str) -> None:
    async with bgjobs.run(app.config(scheduled_jobs=[nightly()], queues=[])) as bg:
        orphan = await planned(bg.admin)
    async with bgjobs.administer(app.config(fine)) as admin:
        if ending == "cancel":
            assert (await admin.cancel(orphan.id, reason="x")).ended == [orphan.id]
        else:
            assert await admin.delete(orphan.id) == [orphan.id]
        assert await admin.unhandled() == []
        assert (await admin.count()).delayed == 0


async def test_all_that_wait_are_cancelled_but_runs_of_schedules(app: Harness) -> None:
    """A paused one would run again, if its schedule planned anew."""
    async with bgjobs.run(app.config(scheduled_jobs=[nightly()], queues=[])) as bg:
        await planned(bg.admin)
        await bg.admin.schedule("nightly").pause()
    async with bgjobs.run(app.config(queues=[], enqueue_only=[fine])) as bg:
        await bg.enqueue(fine.request().available_in(hours=1))
        assert await bg.admin.cancel_waiting(reason="x") == 1
        [kept] = await bg.admin.list("delayed")
        assert isinstance(kept, bgjobs.Job)
        assert kept.occurrence is not None
        assert kept.occurrence.paused


def after_each(verb: Callable[..., Any], then: Callable[[], None]) -> Callable[..., Any]:
    def called(*args: Any, **kwargs: Any) -> Any:
        answer = verb(*args, **kwargs)
        then()
        return answer

    return called


async def test_cancelling_does_not_follow_what_is_enqueued_meanwhile(
    app: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bgjobs._runtime.admin.bulk.BATCH", 2)
    store, pages = app.database.store(), list[int]()

    def arrive() -> None:
        pages.append(1)
        assert len(pages) < 10, "it goes on for ever"
        store.write([NewJob(new_id(), JobRequest("fine", "{}")) for _ in range(2)])

    wrapped = Wrapped(store, get_enqueued=after_each(store.get_enqueued, arrive))
    config = app.config(queues=[], enqueue_only=[fine], store=wrapped)
    async with bgjobs.run(config) as bg:
        before = await bg.enqueue_many([fine.request()] * 5)
        assert await bg.admin.cancel_waiting(reason="x") == 5
        assert {job.id for job in await bg.admin.list("failed")} == {job.id for job in before}
        assert (await bg.count()).waiting == 2 * len(pages)


async def test_pruning_does_not_follow_what_ends_meanwhile(app: Harness) -> None:
    store: Any = app.database.store()
    rounds = list[int]()

    def arrive() -> None:
        rounds.append(1)
        assert len(rounds) < 10, "it goes on for ever"
        job = NewJob(new_id(), JobRequest("fine", "{}"))
        store.write([job])
        store.operations.cancel([job.id], "no")

    wrapped = Wrapped(store, prune=after_each(store.prune, arrive))
    config = app.config(queues=[], enqueue_only=[fine], store=wrapped)
    async with bgjobs.run(config) as bg:
        await bg.enqueue(fine.request())
        await bg.admin.cancel_waiting(reason="x")
        assert await bg.admin.prune(failed_for=timedelta(0)) == 1
        assert (await bg.count()).failed == len(rounds)


async def test_jobs_are_chosen_by_their_metadata(
    app: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few of those that are read have it."""
    monkeypatch.setattr("bgjobs._runtime.admin.lists.READ", 2)
    requests = [fine.request().with_metadata(part=str(n % 3), shop="x") for n in range(9)]
    async with bgjobs.run(app.config(queues=[], enqueue_only=[fine])) as bg:
        jobs = await bg.enqueue_many([*requests, fine.request()])
        wanted = [job.id for job in jobs[1::3]]
        chosen = {"part": "1", "shop": "x"}

        found = await bg.admin.list("waiting", metadata=chosen)
        first = await bg.admin.list("waiting", metadata=chosen, page=Page(2))
        then = await bg.admin.list("waiting", metadata=chosen, page=Page(2, first[-1].id))

        assert [job.id for job in found] == wanted
        assert [job.id for job in [*first, *then]] == wanted
        assert await bg.admin.list("waiting", metadata={"part": "1", "shop": "y"}) == []
        assert len(await bg.admin.list("waiting", metadata={})) == 10
        wrong: Any = {"part": 1}
        with pytest.raises(TypeError, match="list: metadata: value: expected str, found int"):
            await bg.admin.list("waiting", metadata=wrong)


async def test_one_workers_jobs_are_pruned(app: Harness) -> None:
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
