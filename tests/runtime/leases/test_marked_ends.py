"""Ends that a process without the worker marks, and that one with it writes."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest

import bgjobs
from bgjobs._core.hooks import HOOK_OWNER
from bgjobs._runtime.leases import marked_ends
from bgjobs._runtime.leases.marked_ends import MOST_TRIES
from bgjobs.errors import RowRefusedError
from bgjobs.events import (
    FailureHookFailed,
    JobCancelled,
    JobStarted,
    JobUnreadable,
    MonitorFailed,
    OccurrencePlanned,
    ReservationLost,
)
from bgjobs.stores.operations import Operations, operations_of
from bgjobs.stores.types import Cancelled
from tests.fixtures.effects import Effects
from tests.fixtures.faulty_store import FaultyStore
from tests.fixtures.hostile_rows import HostileRows
from tests.fixtures.prepared_rows import left_behind
from tests.runtime.conftest import Harness, Wrapped

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def other() -> None:
    """The worker of processes that do not have the other one."""


def operations(store: bgjobs.Store) -> Operations:
    found = operations_of(store)
    assert found is not None
    return found


async def registered(app: Harness, worker: Any) -> None:
    """Run an application with this worker once."""
    async with bgjobs.run(app.config(worker, queue={"max_retries": 0})) as bg:
        await bg.wait_for(await bg.enqueue(worker.request("first")))


async def marked(app: Harness, send: Any, count: int) -> Sequence[bgjobs.Job]:
    """Return jobs whose end is marked, of a worker that asks for cancelled ones."""
    await registered(app, send)
    async with bgjobs.connect(app.config(send)) as client:
        jobs = await client.enqueue_many([send.request("a") for _ in range(count)])
        await client.admin.cancel(*(job.id for job in jobs), reason="no")
    return jobs


async def is_marked(client: bgjobs.Client, job: bgjobs.Job) -> bool:
    found = await client.find(job.id)
    return found is not None and found.state == "running" and found.reserved_by == HOOK_OWNER


async def test_a_cancelled_waiting_job_calls_the_hook_in_a_process_with_the_worker(
    app: Harness, effects: Effects
) -> None:
    send = effects.worker(cancelled=True)
    await registered(app, send)
    async with bgjobs.connect(app.config(enqueue_only=[send], queues=())) as client:
        job = await client.enqueue(send.request("a").available_in(hours=1))
        cancelled = await client.admin.cancel(job.id, reason="no", by="ada")
        assert (cancelled.ended, cancelled.asked) == ([], [job.id])
        assert await is_marked(client, job)
    app.recorder.clear()
    async with bgjobs.run(app.config(send)) as bg:
        ended = await bg.wait_for(job)
        assert isinstance(ended, bgjobs.CancelledJob)
        assert (ended.reason, ended.cancelled_by) == ("no", "ada")
        assert [one.what for one in await bg.timeline(ended)] == ["enqueued", "cancelled"]
    assert effects.noted()[1:] == [(str(job.id), "cancelled")]
    assert effects.handled == ["first"]
    event = app.recorder.one(JobCancelled)
    assert (event.job.id, event.reason, event.by) == (job.id, "no", "ada")


async def test_a_running_application_hears_of_marks(app: Harness, effects: Effects) -> None:
    send = effects.worker(cancelled=True)
    async with bgjobs.run(app.config(send)) as bg:
        jobs = await bg.enqueue_many(
            [send.request("a").available_in(hours=1) for _ in range(3)]
        )
        async with bgjobs.connect(app.config(send)) as client:
            await client.admin.cancel(*(job.id for job in jobs), reason="no")
        for job in jobs:
            assert (await bg.wait_for(job)).state == "cancelled"
    assert sorted(effects.noted()) == sorted((str(job.id), "cancelled") for job in jobs)


async def test_a_process_without_the_worker_leaves_a_crashed_job_to_one_that_has_it(
    app: Harness, effects: Effects
) -> None:
    send = effects.worker()
    await registered(app, send)
    [left] = left_behind(app.database, [send.request("crashed")], crashes=3)
    async with bgjobs.run(app.config(other, sweep_interval=0.05)) as bg:
        while not await is_marked(bg, left):
            await app.recorder.wait_for(bgjobs.events.StoreCalled)
            app.recorder.clear()
        assert app.recorder.of(MonitorFailed) == []
    assert len(effects.noted()) == 1
    async with bgjobs.run(app.config(send)) as bg:
        ended = await bg.wait_for(left.id)
    assert isinstance(ended, bgjobs.FailedJob)
    assert ended.error == "its worker died 4 times while running it"
    assert (ended.crashes, ended.reserved_by) == (4, left.reserved_by)
    assert effects.noted()[1:] == [(str(left.id), "failed")]
    assert effects.handled == ["first"]
    assert app.recorder.one(MonitorFailed).job.id == left.id


async def test_the_monitor_of_a_process_with_the_worker_calls_the_hook(
    app: Harness, effects: Effects
) -> None:
    send = effects.worker()
    [left] = left_behind(app.database, [send.request("crashed")], crashes=3)
    async with bgjobs.run(app.config(send)) as bg:
        assert (await bg.wait_for(left.id)).state == "failed"
    assert effects.noted() == [(str(left.id), "failed")]
    assert effects.handled == []


async def test_a_store_without_operations_calls_the_hook_of_its_own_process(
    app: Harness, effects: Effects
) -> None:
    send = effects.worker()
    [left] = left_behind(app.database, [send.request("crashed")], crashes=3)
    store: Any = Wrapped(app.database.store(), operations=None)
    async with bgjobs.run(app.config(send, store=store)) as bg:
        assert (await bg.wait_for(left.id)).state == "failed"
    assert effects.noted() == [(str(left.id), "failed")]


async def test_a_worker_without_the_function_any_longer_ends_the_job(
    app: Harness, effects: Effects
) -> None:
    send = effects.worker(cancelled=True)
    [job] = await marked(app, send, 1)
    async with bgjobs.run(app.config(effects.worker(cancelled=None))) as bg:
        assert (await bg.wait_for(job)).state == "cancelled"
    assert effects.calls == 1


async def test_a_function_that_never_returns_is_given_up(
    app: Harness, effects: Effects
) -> None:
    """As one does that ends its process, each time."""
    send = effects.worker(cancelled=True)
    [job] = await marked(app, send, 1)
    with app.opened() as store:
        for _ in range(MOST_TRIES):
            operations(store).begin_marked(job.id, timedelta(0))
    # The next try begins when a lease has passed.
    async with bgjobs.run(app.config(send, lease=2)) as bg:
        assert (await bg.wait_for(job)).state == "cancelled"
    assert effects.calls == 1
    event = app.recorder.one(FailureHookFailed)
    assert event.queue == "on_failure"
    assert str(event.error) == f"it was begun {MOST_TRIES} times and never returned"


async def test_what_the_hook_raises_is_reported_for_a_marked_end(
    app: Harness, effects: Effects
) -> None:
    send = effects.worker(cancelled=True)
    await registered(app, send)
    effects.error = RuntimeError("no box")
    async with bgjobs.run(app.config(send)) as bg:
        job = await bg.enqueue(send.request("a").available_in(hours=1))
        await bg.admin.cancel(job.id, reason="no")
        assert (await bg.wait_for(job)).state == "cancelled"
    assert app.recorder.one(FailureHookFailed).error is effects.error
    assert len(effects.noted()) == 1


async def test_a_job_that_would_be_put_back_calls_the_hook(
    app: Harness, effects: Effects
) -> None:
    """It fails before its process has read that it is to be cancelled."""
    with app.opened() as store:
        store.migrate()
        admin = operations(store)

        @bgjobs.worker
        async def retried(context: bgjobs.JobContext) -> None:
            admin.cancel([context.job.id], Cancelled("no", "ada"))
            raise ValueError

        retried.on_failure(cancelled=True)(effects.note)
        async with bgjobs.run(app.config(retried, heartbeat_interval=6)) as bg:
            ended = await bg.wait_for(await bg.enqueue(retried.request()))
    assert isinstance(ended, bgjobs.CancelledJob)
    assert len(ended.errors) == 1
    assert effects.noted() == [(str(ended.id), "cancelled")]
    assert app.recorder.of(ReservationLost) == []


async def test_a_lost_answer_to_a_mark_changes_nothing(app: Harness, effects: Effects) -> None:
    send = effects.worker()
    await registered(app, send)
    [left] = left_behind(app.database, [send.request("crashed")], crashes=3)
    real = app.database.store()
    faulty = FaultyStore(operations(real))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - it wraps any object
    faulty.lose_the_answer("mark_end")
    store: Any = Wrapped(real, operations=faulty)
    async with bgjobs.run(app.config(send, store=store)) as bg:
        assert (await bg.wait_for(left.id)).state == "failed"
    assert effects.noted()[1:] == [(str(left.id), "failed")]
    assert app.recorder.one(MonitorFailed).job.id == left.id


async def test_marks_wait_while_the_store_is_away(app: Harness, effects: Effects) -> None:
    send = effects.worker(cancelled=True)
    await registered(app, send)
    real = app.database.store()
    faulty = FaultyStore(operations(real))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - it wraps any object
    away = bgjobs.errors.StoreUnavailableError("away")
    faulty.faults |= {"marked_ends": [away], "begin_marked": [away]}
    store: Any = Wrapped(real, operations=faulty)
    config = app.config(send, store=store, heartbeat_interval=0.05)
    async with bgjobs.run(config) as bg:
        job = await bg.enqueue(send.request("a").available_in(hours=1))
        await bg.admin.cancel(job.id, reason="no")
        assert (await bg.wait_for(job)).state == "cancelled"
    assert effects.noted()[1:] == [(str(job.id), "cancelled")]


async def test_a_marked_run_of_a_schedule_is_followed_by_the_next_one(
    app: Harness, effects: Effects
) -> None:
    send = effects.worker(cancelled=True)
    daily = bgjobs.ScheduledJob(send, bgjobs.schedules.every(hours=24))
    async with bgjobs.run(app.config(queues=(), scheduled_jobs=[daily])) as bg:
        await app.recorder.wait_for(OccurrencePlanned)
        [planned] = await bg.list(bgjobs.JobFilter("delayed"))
        await bg.admin.cancel(planned.id, reason="no")
        assert (await bg.wait_for(planned)).state == "cancelled"
        await app.recorder.wait_for(OccurrencePlanned, 2)
    assert effects.noted() == [(str(planned.id), "cancelled")]
    assert app.recorder.of(JobStarted) == []


async def test_an_end_that_the_database_refuses_delays_no_other_one(
    app: Harness, effects: Effects
) -> None:
    """Its row is set apart, as the one of any other end."""
    send = effects.worker(cancelled=True)
    jobs = await marked(app, send, 3)
    real = app.database.store()

    def end_with(settlement: Any, *given: Any, **more: Any) -> Any:
        if settlement.reservation.job_id == jobs[0].id:
            raise RowRefusedError("a trigger refuses it")
        return real.end_with(settlement, *given, **more)

    store: Any = Wrapped(real, end_with=end_with)
    async with bgjobs.run(app.config(send, store=store)) as bg:
        for job in jobs[1:]:
            assert (await bg.wait_for(job)).state == "cancelled"
        [refused] = await bg.list(bgjobs.JobFilter("unreadable"))
    assert refused.id == jobs[0].id
    assert sorted(effects.noted()[1:]) == [(str(job.id), "cancelled") for job in jobs[1:]]


async def test_rows_that_cannot_be_read_delay_no_other_end(
    app: Harness, effects: Effects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are set apart, and the page is followed by the next one."""
    monkeypatch.setattr(marked_ends, "PAGE", 2)
    send = effects.worker(cancelled=True)
    jobs = await marked(app, send, 5)
    rows = HostileRows(app.database)
    bad = [jobs[number].id for number in (0, 1, 3)]
    for one in bad:
        rows.run(f"update {rows.prefix}jobs set metadata = '[' where id = '{one}'")
    async with bgjobs.run(app.config(send, heartbeat_interval=6)) as bg:
        for job in (jobs[2], jobs[4]):
            assert (await bg.wait_for(job)).state == "cancelled"
    assert sorted(event.job.id for event in app.recorder.of(JobUnreadable)) == sorted(bad)
    assert len(effects.noted()) == 3


async def test_one_process_begins_with_a_mark(app: Harness, effects: Effects) -> None:
    send = effects.worker(cancelled=True)
    async with AsyncExitStack() as stack:
        first, *_ = [
            await stack.enter_async_context(bgjobs.run(app.config(send))) for _ in range(7)
        ]
        jobs = await first.enqueue_many(
            [send.request("a").available_in(hours=1) for _ in range(9)]
        )
        await first.admin.cancel(*(job.id for job in jobs), reason="no")
        for job in jobs:
            assert (await first.wait_for(job)).state == "cancelled"
    assert sorted(effects.noted()) == sorted((str(job.id), "cancelled") for job in jobs)
    assert len(app.recorder.of(JobCancelled)) == len(jobs)
    assert app.recorder.of(FailureHookFailed) == []


async def test_cancelling_all_counts_marked_jobs(app: Harness, effects: Effects) -> None:
    send = effects.worker(cancelled=True)
    await registered(app, send)
    async with bgjobs.connect(app.config(send)) as client:
        await client.enqueue_many([send.request("a") for _ in range(3)])
        found = await client.admin.cancel_all(bgjobs.JobFilter("waiting"), reason="no")
    assert found == 3


async def test_diagnose_names_marked_ends_that_no_process_writes(
    app: Harness, effects: Effects
) -> None:
    send = effects.worker(cancelled=True)
    await registered(app, send)
    async with bgjobs.connect(app.config(send)) as client:
        assert [one for one in await client.admin.diagnose() if one.check == "on_failure"] == []
        job = await client.enqueue(send.request("a"))
        await client.admin.cancel(job.id, reason="no")
        [found] = [one for one in await client.admin.diagnose() if one.check == "on_failure"]
    assert found.level == "warning"
    assert found.text.startswith("the end of jobs of worker 'send' waits for a process")
