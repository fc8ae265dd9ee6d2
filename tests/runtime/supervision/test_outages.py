"""While the store is unavailable, queues wait for it; nothing crashes or hangs."""

from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

import anyio
import pytest
from anyio import current_time

import bgjobs
from bgjobs import every
from bgjobs._core.clock import SystemClock
from bgjobs._runtime.bus import Bus
from bgjobs._runtime.supervision.supervisor import Child, Supervisor
from bgjobs.backoff import IMMEDIATE
from bgjobs.errors import LeaseLostError, StoreError
from bgjobs.events import (
    ChildCrashed,
    ChildRestarted,
    JobStarted,
    JobSucceeded,
    QueueStarted,
    RestartLimitExceeded,
)
from tests.fixtures.faulty_store import FaultyStore
from tests.runtime.conftest import Harness, Wrapped, virtual_time_on_both
from tests.runtime.supervision.helpers import (
    HOUR,
    LEASE,
    failed_call,
    note,
    over_a_faulty_store,
)

pytestmark = [pytest.mark.anyio, virtual_time_on_both]


FIRST_CRASH_ENDS_ALL = bgjobs.RestartTolerance(restarts=0)


async def test_an_outage_longer_than_the_lease_costs_one_lease(virtual_app: Harness) -> None:
    """The new lease is counted from the attempt that succeeded, not from the first one."""
    store, config = over_a_faulty_store(virtual_app, note)
    recorder = virtual_app.recorder
    async with bgjobs.run(config) as bg:
        await recorder.wait_for(QueueStarted)
        store.away = True
        await anyio.sleep(5 * LEASE)
        store.away = False
        await recorder.wait_for(QueueStarted, 2)
        await anyio.sleep(3 * LEASE)
        await bg.enqueue(note.request(1))
        await recorder.wait_for(JobSucceeded)
    (crash,) = recorder.of(ChildCrashed)
    assert isinstance(crash.error, LeaseLostError)
    assert len(recorder.of(QueueStarted)) == 2


async def test_an_outage_at_the_start_costs_no_lease(virtual_app: Harness) -> None:
    store, config = over_a_faulty_store(virtual_app, note)
    async with bgjobs.run(config) as bg:
        store.away = True  # before the first call of a queue
        await anyio.sleep(5 * LEASE)
        store.away = False
        await virtual_app.recorder.wait_for(QueueStarted)
        await anyio.sleep(3 * LEASE)
        await bg.enqueue(note.request(1))
        await virtual_app.recorder.wait_for(JobSucceeded)
    assert virtual_app.recorder.of(ChildCrashed) == []


async def test_a_lost_lease_does_not_count_as_a_crash(virtual_app: Harness) -> None:
    store, config = over_a_faulty_store(
        virtual_app, note, restart_tolerance=FIRST_CRASH_ENDS_ALL
    )
    async with bgjobs.run(config) as bg:
        await virtual_app.recorder.wait_for(QueueStarted)
        store.away = True
        await virtual_app.recorder.wait_for(ChildCrashed)
        store.away = False
        await bg.enqueue(note.request(1))
        await virtual_app.recorder.wait_for(JobSucceeded)
    (crash,) = virtual_app.recorder.of(ChildCrashed)
    assert isinstance(crash.error, LeaseLostError)


async def test_a_bug_after_lost_leases_counts_as_a_crash(
    virtual_app: Harness,
) -> None:
    store, config = over_a_faulty_store(
        virtual_app, note, restart_tolerance=FIRST_CRASH_ENDS_ALL
    )
    with pytest.raises(ExceptionGroup, match="crashed more than 0 times") as caught:
        async with bgjobs.run(config):
            await virtual_app.recorder.wait_for(QueueStarted)
            store.away = True
            await virtual_app.recorder.wait_for(ChildCrashed)
            store.faults["reserve"] = [StoreError("a bug")]
            store.away = False
            await anyio.sleep_forever()
    assert [str(error) for error in caught.value.exceptions] == ["a bug"]


async def test_repeated_outages_do_not_end_the_application(
    virtual_app: Harness,
) -> None:
    outages = 12
    store, config = over_a_faulty_store(virtual_app, note)
    recorder = virtual_app.recorder
    async with bgjobs.run(config) as bg:
        for number in range(outages):
            await recorder.wait_for(QueueStarted, number + 1)
            store.away = True
            await anyio.sleep(1.5 * LEASE)
            store.away = False
            await bg.enqueue(note.request(number))
            await recorder.wait_for(JobSucceeded, number + 1)
    crashes = recorder.of(ChildCrashed)
    assert [type(crash.error) for crash in crashes] == [LeaseLostError] * outages
    assert recorder.of(RestartLimitExceeded) == []


async def test_a_queue_uses_a_new_owner_id_for_each_attempt_to_register(
    virtual_app: Harness,
) -> None:
    """If an answer is lost, that owner may be stored with an older lease."""
    asked: list[UUID] = []
    store = FaultyStore(virtual_app.database.store())

    def open_owner(owner: Any, *args: Any, **kwargs: Any) -> None:
        asked.append(owner.id)
        store.open_owner(owner, *args, **kwargs)

    store.lose_the_answer("open_owner")
    config = virtual_app.config(note, store=Wrapped(store, open_owner=open_owner), lease=LEASE)
    async with bgjobs.run(config) as bg:
        await bg.enqueue(note.request(1))
        await virtual_app.recorder.wait_for(JobSucceeded)
        await anyio.sleep(3 * LEASE)
    assert len(set(asked)) == len(asked) == 2
    assert [event.owner for event in virtual_app.recorder.of(QueueStarted)] == asked[1:]
    assert virtual_app.recorder.of(ChildCrashed) == []


async def test_a_stopped_child_is_not_restarted_after_its_backoff(
    virtual_app: Harness,
) -> None:
    tolerance = bgjobs.RestartTolerance(backoff=bgjobs.backoff.Constant(HOUR))
    store, config = over_a_faulty_store(virtual_app, note, restart_tolerance=tolerance)
    store.faults["reserve"] = [StoreError("a bug")]
    async with bgjobs.run(config) as bg:
        await virtual_app.recorder.wait_for(ChildCrashed)
        bg.stop()
        stopped = current_time()
    assert current_time() - stopped < HOUR
    assert virtual_app.recorder.of(ChildRestarted) == []


async def test_a_child_is_restarted_after_its_whole_backoff(
    virtual_app: Harness,
) -> None:
    tolerance = bgjobs.RestartTolerance(backoff=bgjobs.backoff.Constant(2 * LEASE))
    store, config = over_a_faulty_store(virtual_app, note, restart_tolerance=tolerance)
    store.faults["reserve"] = [StoreError("a bug")]
    async with bgjobs.run(config):
        await virtual_app.recorder.wait_for(ChildCrashed)
        crashed = current_time()
        await virtual_app.recorder.wait_for(ChildRestarted)
        assert current_time() - crashed == pytest.approx(2 * LEASE)


async def test_a_handler_is_cancelled_as_soon_as_its_lease_is_refused(
    virtual_app: Harness,
) -> None:
    """Another process may already run its jobs."""
    store = virtual_app.database.store()
    ends: list[float] = []
    refusals: list[float] = []

    def heartbeat(owners: Any, *args: Any, **kwargs: Any) -> Any:
        answer = store.heartbeat(owners, *args, **kwargs)
        if set(owners) - set(answer.alive):
            refusals.append(current_time())
        return answer

    @bgjobs.worker
    async def long() -> None:
        if ends:
            return
        try:
            await anyio.sleep_forever()
        finally:
            ends.append(current_time())

    config = virtual_app.config(
        long, store=Wrapped(store, heartbeat=heartbeat), lease=LEASE, sweep_interval=HOUR
    )
    other = virtual_app.open_store()
    async with bgjobs.run(config) as bg:
        await bg.enqueue(long.request())
        (started,) = await virtual_app.recorder.wait_for(JobStarted)
        assert started.job.reserved_by is not None
        await anyio.sleep(2 * LEASE)
        other.close_owners([started.job.reserved_by], now=config.clock.store_now())
        await virtual_app.recorder.wait_for(JobSucceeded)
    other.close()
    assert ends == refusals
    (crash,) = virtual_app.recorder.of(ChildCrashed)
    assert isinstance(crash.error, LeaseLostError)


async def test_an_outage_shorter_than_the_lease_does_not_affect_a_handler(
    virtual_app: Harness,
) -> None:
    store = FaultyStore(virtual_app.database.store())

    @bgjobs.worker
    async def long() -> None:
        store.away = True
        await anyio.sleep(5 * LEASE)
        store.away = False

    config = virtual_app.config(long, store=store, lease=10 * LEASE)
    async with bgjobs.run(config) as bg:
        await bg.enqueue(long.request())
        await virtual_app.recorder.wait_for(JobSucceeded)
    assert len(virtual_app.recorder.of(JobStarted)) == 1
    assert virtual_app.recorder.of(ChildCrashed) == []


async def test_a_lost_lease_raised_by_two_tasks_is_reported_once(
    virtual_app: Harness,
) -> None:
    """The guard of a queue and a slot notice it at the same time."""
    lost = LeaseLostError("all")
    run = crashing(ExceptionGroup("guards", [lost, ExceptionGroup("slots", [lost])]))
    supervisor = Supervisor(
        bgjobs.RestartTolerance(restarts=0, backoff=IMMEDIATE), SystemClock()
    )
    await supervisor.supervise(
        Child("queue", run, Bus([virtual_app.recorder])), anyio.CancelScope()
    )
    supervisor.raise_failures()
    assert [reported.error for reported in virtual_app.recorder.of(ChildCrashed)] == [lost]


async def test_a_crash_during_a_cancellation_is_reported_and_only_the_cancellation_is_raised(
    virtual_app: Harness,
) -> None:
    async def run() -> None:
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class() as cancelled:
            raise BaseExceptionGroup("both", [cancelled, ValueError("a bug")]) from None

    supervisor = Supervisor(bgjobs.RestartTolerance(), SystemClock())
    with anyio.CancelScope() as scope:
        scope.cancel()
        await supervisor.supervise(
            Child("queue", run, Bus([virtual_app.recorder])), anyio.CancelScope()
        )
    assert scope.cancelled_caught
    assert [str(reported.error) for reported in virtual_app.recorder.of(ChildCrashed)] == [
        "a bug"
    ]


def crashing(error: Exception) -> Callable[[], Coroutine[Any, Any, None]]:
    errors = [error]

    async def run() -> None:
        for one in errors:
            errors.clear()
            raise one

    return run


@pytest.mark.parametrize("stops", [1, 2])
async def test_an_application_that_has_lost_its_store_can_be_stopped(
    virtual_app: Harness, stops: int
) -> None:
    """Its queue has lost its lease and tries to register as a new owner."""
    store, config = over_a_faulty_store(virtual_app, note, grace=HOUR if stops == 2 else 0)
    with anyio.fail_after(HOUR):
        async with bgjobs.run(config) as bg:
            await virtual_app.recorder.wait_for(QueueStarted)
            store.away = True
            await failed_call(virtual_app.recorder, "open_owner")
            bg.stop()
            if stops == 2:
                bg.stop(grace=0)
    assert len(virtual_app.recorder.of(QueueStarted)) == 1


@bgjobs.worker
async def daily() -> None:
    """Succeed."""


@pytest.mark.parametrize(
    "settings",
    [{}, {"queues": (), "scheduled_jobs": [bgjobs.ScheduledJob(daily, every(days=1))]}],
    ids=["queues", "scheduled jobs"],
)
async def test_an_application_that_never_reached_the_store_can_be_stopped(
    virtual_app: Harness, settings: dict[str, Any]
) -> None:
    store, config = over_a_faulty_store(virtual_app, note, **settings)
    with anyio.fail_after(HOUR):
        async with bgjobs.run(config) as bg:
            store.away = True
            await failed_call(virtual_app.recorder, "open_owner")
            bg.stop()
    assert virtual_app.recorder.of(QueueStarted) == []


async def test_an_application_whose_handler_runs_can_be_stopped_without_its_store(
    virtual_app: Harness,
) -> None:
    """The end of the run cannot be stored; the job stays reserved until its lease expires."""

    @bgjobs.worker
    async def forever() -> None:
        await anyio.sleep_forever()

    store, config = over_a_faulty_store(virtual_app, forever, grace=0)
    with anyio.fail_after(HOUR):
        async with bgjobs.run(config) as bg:
            job = await bg.enqueue(forever.request())
            await virtual_app.recorder.wait_for(JobStarted)
            store.away = True
            bg.stop()
    with virtual_app.opened() as looking:
        assert [held.id for held in looking.list(bgjobs.JobFilter("running"))] == [job.id]
