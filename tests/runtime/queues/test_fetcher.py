"""Reservations of a queue: how many jobs it takes ahead, and when it gives them back."""

import threading
from datetime import timedelta
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.settlements import Requeue
from bgjobs._runtime.queues import fetcher
from bgjobs._runtime.queues.pace import Pace
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.events import ChildCrashed, JobStarted, JobSucceeded, QueueError
from bgjobs.stores.types import NewJob
from tests.runtime.conftest import Harness, Wrapped

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def note(number: int) -> None:
    """Succeeds."""


async def test_a_queue_goes_on_when_the_ends_it_waits_for_are_committed(
    app: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many ends wait for their commit, and then all slots are idle."""
    monkeypatch.setattr(fetcher, "MOST_UNSETTLED", 2)
    real, may_commit = app.database.store(), threading.Event()

    def write(enqueue: Any = (), settle: Any = (), **kwargs: Any) -> Any:
        assert not settle or may_commit.wait(60)
        return real.write(enqueue, settle, **kwargs)

    store = Wrapped(real, write=write)
    async with bgjobs.run(app.config(note, store=store, queue={"concurrency": 1})) as bg:
        await bg.enqueue_many([note.request(number) for number in range(20)])
        await app.recorder.wait_for(JobStarted, 3)
        await anyio.wait_all_tasks_blocked()
        started = len(app.recorder.of(JobStarted))
        may_commit.set()
        await app.recorder.wait_for(JobSucceeded, 20)
    assert started < 20


async def test_no_long_job_is_reserved_ahead(app: Harness) -> None:
    go_on = anyio.Event()

    @bgjobs.worker
    async def long(number: int) -> None:
        await go_on.wait()

    async with bgjobs.run(app.config(long, queue={"concurrency": 3})) as bg:
        await bg.enqueue_many([long.request(number) for number in range(10)])
        await app.recorder.wait_for(JobStarted, 3)
        await anyio.wait_all_tasks_blocked()
        assert len(await bg.list(bgjobs.JobFilter("running"))) == 3
        go_on.set()
        await app.recorder.wait_for(JobSucceeded, 10)


@pytest.mark.parametrize("refusals", [0, 2])
async def test_jobs_reserved_ahead_that_get_no_slot_are_given_back(
    app: Harness, monkeypatch: pytest.MonkeyPatch, refusals: int
) -> None:
    """Also if the store is unavailable at first, which does not crash the queue."""
    monkeypatch.setattr(fetcher, "STALE", 0.05)
    monkeypatch.setattr(Pace, "room", 6)
    real, go_on, given_back = app.database.store(), anyio.Event(), threading.Event()
    refused = list[StoreError]()

    @bgjobs.worker
    async def long(number: int) -> None:
        await go_on.wait()

    def write(enqueue: Any = (), settle: Any = (), **kwargs: Any) -> Any:
        gives_back = any(isinstance(one, Requeue) and one.attempts == 0 for one in settle)
        if gives_back and len(refused) < refusals:
            refused.append(StoreUnavailableError("away"))
            raise refused[-1]
        written = real.write(enqueue, settle, **kwargs)
        if gives_back:
            given_back.set()
        return written

    store = Wrapped(real, write=write)
    async with bgjobs.run(app.config(long, store=store, queue={"concurrency": 1})) as bg:
        await bg.enqueue_many([long.request(number) for number in range(10)])
        assert await anyio.to_thread.run_sync(given_back.wait, 60)
        go_on.set()
        ended = await app.recorder.wait_for(JobSucceeded, 10)
    assert {one.job.attempts for one in ended} == {0}
    assert [one.error for one in app.recorder.of(QueueError)] == refused
    assert app.recorder.of(ChildCrashed) == []


async def test_of_ends_written_together_only_the_refused_one_fails(
    app: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store refuses one row; the others of its batch are still written."""
    # One slot runs all of them in one turn, so they end together even on a slow machine.
    monkeypatch.setattr("bgjobs._runtime.queues.inbox.TURN", 60.0)
    real, may_commit = app.database.store(), threading.Event()
    poison = list[Any]()

    def write(enqueue: Any = (), settle: Any = (), **kwargs: Any) -> Any:
        assert not settle or may_commit.wait(60)
        if any(one.reservation.job_id in poison for one in settle):
            raise StoreError("a row that cannot be")
        return real.write(enqueue, settle, **kwargs)

    store = Wrapped(real, write=write)
    tolerance = bgjobs.RestartTolerance(restarts=0)
    config = app.config(note, store=store, restart_tolerance=tolerance)
    with pytest.raises(ExceptionGroup):
        async with bgjobs.run(config) as bg:
            jobs = await bg.enqueue_many([note.request(number) for number in range(5)])
            poison.append(jobs[2].id)
            may_commit.set()
            await anyio.sleep_forever()
    ended = {one.job.id for one in app.recorder.of(JobSucceeded)}
    assert ended == {job.id for job in jobs} - set(poison)
    assert "a row that cannot be" in {str(one.error) for one in app.recorder.of(QueueError)}


async def test_an_idle_queue_only_asks_whether_anything_is_due(app: Harness) -> None:
    real, asked = app.database.store(), list[str]()
    quiet = threading.Event()

    def reserve(*args: Any, **kwargs: Any) -> Any:
        asked.append("reserve")
        return real.reserve(*args, **kwargs)

    def next_due(*args: Any, **kwargs: Any) -> Any:
        asked.append("next_due")
        if asked[-5:] == ["next_due"] * 5:
            quiet.set()
        return real.next_due(*args, **kwargs)

    store = Wrapped(real, reserve=reserve, next_due=next_due, watch=lambda: None)
    queue = {"poll_interval": 0.05}
    async with bgjobs.run(app.config(note, store=store, queue=queue)):
        assert await anyio.to_thread.run_sync(quiet.wait, 60)
        with app.opened() as other:
            other.write([NewJob(new_id(), note.request(1))])  # without a notification
        await app.recorder.wait_for(JobSucceeded)


@bgjobs.worker
async def mail(to: str) -> None: ...


async def test_next_due_returns_how_long_the_first_job_waits_or_has_waited(
    app: Harness,
) -> None:
    async with bgjobs.run(app.config(mail)) as bg:
        bg.queue("default").pause()
        assert await bg.next_due() is None
        await bg.enqueue(mail.request("a").available_in(days=1))
        wait = await bg.next_due()
        assert wait is not None
        assert timedelta(hours=23) < wait <= timedelta(days=1)
        await bg.enqueue(mail.request("b"))
        waited = await bg.next_due()
        assert waited is not None
        assert -timedelta(hours=1) < waited <= timedelta(0)
    with pytest.raises(bgjobs.errors.NotRunningError):
        await bg.next_due()
