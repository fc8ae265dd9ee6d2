"""Ends that the database refuses: only their own jobs are affected."""

import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs._core.jobs import SucceededJob
from bgjobs._runtime.bus import contains_error
from bgjobs._runtime.queues.settler import MOST_REFUSED
from bgjobs.errors import StoreUnavailableError
from bgjobs.events import (
    ChildCrashed,
    Event,
    JobReserved,
    JobStarted,
    JobSucceeded,
    JobUnreadable,
    OwnerDied,
    QueueError,
)
from bgjobs.stores.operations import operations_of
from tests.fixtures.hostile_rows import UNREADABLE
from tests.fixtures.listings import unreserved
from tests.runtime.conftest import Harness, Wrapped, migrated_rows

pytestmark = pytest.mark.anyio
REFUSED = "the database refuses how its run ended"
RETURNED = "its handler has returned, but the database refuses its end"
STRANGER = "01900000-0000-7000-8000-00000000000f"


def _gone(*_: Any, **__: Any) -> Any:
    raise StoreUnavailableError("gone")


def _away_at_a_move(real: Any) -> Any:
    operations: Any = operations_of(real)
    return Wrapped(real, operations=Wrapped(operations, set_apart=_gone))


@bgjobs.worker
async def good() -> None: ...


@bgjobs.worker(name="bad")
async def returns() -> None: ...


@bgjobs.worker(name="bad")
async def fails() -> None:
    raise ValueError


@bgjobs.worker(name="bad")
async def snoozes() -> None:
    raise bgjobs.Snooze(for_=3600)


@asynccontextmanager
async def _running(app: Harness, worker: Any, **more: Any) -> AsyncGenerator[bgjobs.BgJobs]:
    """Run an application, and check that no part of it crashes."""
    async with bgjobs.run(app.config(good, worker, **more)) as bg:
        yield bg
        with anyio.fail_after(30):
            assert isinstance(await bg.wait_for(await bg.enqueue(good.request())), SucceededJob)
    assert [*app.recorder.of(ChildCrashed), *app.recorder.of(OwnerDied)] == []
    assert app.recorder.of(QueueError) == []


@pytest.mark.parametrize(
    ("worker", "table", "what", "reason"),
    [
        (returns, "jobs_succeeded", "insert", RETURNED),
        (fails, "jobs_failed", "insert", REFUSED),
        (snoozes, "jobs", "update of available_at", REFUSED),
    ],
    ids=["succeed", "fail", "requeue"],
)
async def test_a_job_whose_end_is_refused_is_set_apart_and_its_queue_goes_on(
    app: Harness, worker: Any, table: str, what: str, reason: str
) -> None:
    rows = migrated_rows(app)
    rows.refuse("bad", table, what)
    async with _running(app, worker, queue={"max_retries": 0}) as bg:
        bad = [(await bg.enqueue(worker.request())).id]
        await app.recorder.wait_for(JobUnreadable)
        together = await bg.enqueue_many([worker.request()] * 2)
        bad += [job.id for job in together]
        await app.recorder.wait_for(JobUnreadable, len(bad))
        apart = await bg.list(bgjobs.JobFilter("unreadable"))
        assert {one.id for one in apart} == set(bad)
        assert {one.reason for one in apart} == {reason}
        assert await unreserved(bg) == []


async def test_many_refused_ends_do_not_keep_others_from_being_written(app: Harness) -> None:
    rows = migrated_rows(app)
    rows.refuse("bad", "jobs_succeeded", "insert")
    async with _running(app, returns) as bg:
        for count in range(1, 9):  # more than restarts, and than may be refused in a row
            await bg.enqueue(returns.request())
            await app.recorder.wait_for(JobUnreadable, count)
            await bg.wait_for(await bg.enqueue(good.request()))
        assert len(await bg.list(bgjobs.JobFilter("unreadable"))) == 8


async def test_of_a_batch_any_number_of_ends_may_be_refused_beside_a_written_one(
    app: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One slot runs all of them in one turn, so they end together even on a slow machine.
    monkeypatch.setattr("bgjobs._runtime.queues.inbox.TURN", 60.0)
    rows, real, may_commit = migrated_rows(app), app.database.store(), threading.Event()
    rows.refuse("bad", "jobs_succeeded", "insert")
    count = 2 * MOST_REFUSED

    def write(enqueue: Any = (), settle: Any = (), **kwargs: Any) -> Any:
        assert not settle or may_commit.wait(60)
        return real.write(enqueue, settle, **kwargs)

    async with _running(app, returns, store=Wrapped(real, write=write)) as bg:
        last = (await bg.enqueue_many([returns.request()] * count + [good.request()]))[-1]
        await app.recorder.wait_for(JobStarted, count + 1)
        may_commit.set()
        await app.recorder.wait_for(JobUnreadable, count)
        assert isinstance(await bg.wait_for(last), SucceededJob)


def test_a_ctrl_c_in_a_listener_loses_no_other_answer_of_its_batch(
    sqlite_app: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bgjobs._runtime.queues.inbox.TURN", 60.0)
    real, may_commit = sqlite_app.database.store(), threading.Event()
    batches = list[int]()

    def write(enqueue: Any = (), settle: Any = (), **kwargs: Any) -> Any:
        assert not settle or may_commit.wait(60)
        if settle:
            batches.append(len(settle))
        return real.write(enqueue, settle, **kwargs)

    def interrupt(event: Event) -> None:
        if isinstance(event, JobSucceeded) and len(batches) == 2:
            batches.append(0)
            raise KeyboardInterrupt

    config = sqlite_app.config(
        good, store=Wrapped(real, write=write), listeners=[sqlite_app.recorder, interrupt]
    )

    async def main() -> None:
        async with bgjobs.run(config) as bg:
            await bg.enqueue_many([good.request()] * 6)
            await sqlite_app.recorder.wait_for(JobStarted, 6)
            may_commit.set()
            await anyio.sleep_forever()

    with pytest.raises(BaseException) as caught:
        anyio.run(main, backend="trio")
    assert contains_error(caught.value, KeyboardInterrupt)
    assert batches == [1, 5, 0]
    assert len(sqlite_app.recorder.of(JobSucceeded)) == 6


async def test_a_queue_ends_when_the_database_refuses_every_end(app: Harness) -> None:
    rows = migrated_rows(app)
    rows.refuse("bad", "jobs_succeeded", "insert")
    tolerance = bgjobs.RestartTolerance(restarts=0)
    config = app.config(returns, restart_tolerance=tolerance)
    with pytest.raises(ExceptionGroup):
        async with bgjobs.run(config) as bg:
            await bg.enqueue_many([returns.request()] * 20)
            await anyio.sleep_forever()
    assert len(app.recorder.of(JobUnreadable)) == MOST_REFUSED
    assert app.recorder.of(QueueError)
    assert rows.run(f"select count(*) from {rows.prefix}jobs") == [(20 - MOST_REFUSED,)]


async def test_jobs_of_a_dead_process_that_cannot_be_released_are_set_apart(
    app: Harness,
) -> None:
    rows = migrated_rows(app)
    bad, held = rows.insert(name="bad"), rows.insert(name="good", payload="{}")
    rows.run(
        f"update {rows.prefix}jobs set reserved_by = '{STRANGER}', reservations = 1, "
        "reserved_at = created_at"
    )
    rows.refuse("bad", "jobs", "update of available_at")
    async with _running(app, returns, sweep_interval=0.2) as bg:
        with anyio.fail_after(30):
            assert (await bg.wait_for(held)).crashes == 1
            await app.recorder.wait_for(JobUnreadable)
        assert [one.id for one in await bg.list(bgjobs.JobFilter("unreadable"))] == [bad]


async def test_a_store_that_becomes_unavailable_during_a_sweep_does_not_end_the_monitor(
    app: Harness,
) -> None:
    """It becomes unavailable when a refused row is moved."""
    rows, real = migrated_rows(app), app.database.store()
    rows.insert(name="bad")
    held = rows.insert(name="good", payload="{}")
    rows.run(
        f"update {rows.prefix}jobs set reserved_by = '{STRANGER}', reservations = 1, "
        "reserved_at = created_at"
    )
    rows.refuse("bad", "jobs", "update of available_at")
    store = _away_at_a_move(real)
    async with _running(app, returns, store=store, sweep_interval=0.2) as bg:
        with anyio.fail_after(30):
            assert (await bg.wait_for(held)).crashes == 1


async def test_a_store_that_becomes_unavailable_at_a_bad_row_keeps_no_job_from_running(
    app: Harness,
) -> None:
    rows, real = migrated_rows(app), app.database.store()
    rows.remove_limits()
    rows.insert(name="good", payload="{}", **next(iter(UNREADABLE.values())))
    job = rows.insert(name="good", payload="{}")
    store = _away_at_a_move(real)
    async with bgjobs.run(app.config(good, store=store)):
        with anyio.fail_after(15):
            await app.recorder.wait_for(JobSucceeded)
    assert [one.job.id for one in app.recorder.of(JobSucceeded)] == [job]
    assert [one.job.id for one in app.recorder.of(JobReserved)] == [job]


async def test_a_reason_to_cancel_may_be_any_bytes(sqlite_app: Harness) -> None:
    rows = migrated_rows(sqlite_app)
    bad = rows.insert(name="bad")
    rows.run(
        f"update {rows.prefix}jobs set reserved_by = '{STRANGER}', reservations = 1, "
        "reserved_at = created_at"
    )
    reason = {"job_id": str(bad), "reason": b"\xff" * 20_000, "asked_at": 0}
    rows.execute("cancellations", reason)
    async with _running(sqlite_app, returns, sweep_interval=0.2) as bg:
        with anyio.fail_after(30):
            ended = await bg.wait_for(bad)
        assert isinstance(ended, bgjobs.CancelledJob)
        assert ended.reason == "\ufffd" * 1_000


async def test_ids_in_another_form_cost_their_own_jobs(sqlite_app: Harness) -> None:
    rows = migrated_rows(sqlite_app)
    for text in ("A1900000-0000-7000-8000-00000000000F", f"{'1' * 34}-1", "1_" * 18):
        rows.insert(name="good", payload="{}", id=text)
    async with _running(sqlite_app, returns):
        await sqlite_app.recorder.wait_for(JobUnreadable, 3)
    reasons = {event.job.reason for event in sqlite_app.recorder.of(JobUnreadable)}
    assert reasons == {"id: expected a UUID"}
    assert rows.run(f"select count(*) from {rows.prefix}jobs") == [(0,)]
