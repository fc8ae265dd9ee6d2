"""Cancellation at any point, and failure of any store call: nothing is left half done."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs.events import Event, JobSucceeded
from bgjobs.stores.types import NewJob, Owner
from tests.fixtures.listings import unreserved
from tests.runtime.cancellation_sweep import cancellations, schedules
from tests.runtime.cancellation_sweep.schedules import HOUR, PLANNED, Ends, hourly
from tests.runtime.cancellation_sweep.sweep import (
    CURRENT,
    RARELY,
    Operation,
    State,
    Sweep,
    World,
)


def effect(connection: Any) -> None:
    connection.execute("insert into effects values ('completing')")


@bgjobs.worker
async def plain() -> None:
    await anyio.sleep(1)
    CURRENT.get().returned += 1


@bgjobs.worker
async def completing(context: bgjobs.JobContext) -> None:
    context.complete_with(effect)
    await anyio.sleep(1)


def stumble(connection: Any) -> None:
    connection.execute("insert into effects values ('stumbling')")
    raise ConnectionError("reset")


@bgjobs.worker
async def stumbling(context: bgjobs.JobContext) -> None:
    work = stumble if context.attempt == 1 else effect_of_stumbling
    context.complete_with(work)


def effect_of_stumbling(connection: Any) -> None:
    connection.execute("insert into effects values ('stumbling')")


@bgjobs.worker
async def raising() -> None:
    await anyio.sleep(1)
    raise ConnectionError("reset")


@bgjobs.worker
async def snoozing(context: bgjobs.JobContext) -> None:
    await anyio.sleep(1)
    if context.job.reservations == 1:
        raise bgjobs.Snooze(for_=timedelta(hours=1))


@bgjobs.worker
async def long() -> None:
    await anyio.sleep(60)


WORKERS = (plain, completing, stumbling, raising, snoozing, long)
ENDS: dict[str, Ends] = {
    "plain": ("succeeded",),
    "completing": ("effect", "succeeded"),
    "stumbling": ("effect", "succeeded, tried 1"),
    "raising": ("failed, tried 1",),
    "snoozing": ("succeeded",),
    "long": ("succeeded",),
}
BETWEEN: dict[str, set[Ends]] = {
    one: {("waiting",), ENDS[one]} for one in ("plain", "completing", "snoozing", "long")
}
for _name in ("raising", "stumbling"):
    BETWEEN[_name] = {("waiting",), ("waiting, tried 1",), ENDS[_name]}
"""The allowed states of one enqueued job when no queue runs."""
NOTHING: set[Ends] = {()}


def some(ends: Iterable[Ends], count: int) -> set[Ends]:
    """Return the allowed states of `count` jobs, given those of each."""
    found: set[Ends] = {()}
    for _ in range(count):
        found = {tuple(sorted(one + other)) for one in found for other in ends}
    return found


def queue(*workers: Any) -> bgjobs.Queue:
    return bgjobs.Queue(
        "default",
        workers=workers or WORKERS,
        concurrency=2,
        max_retries=1,
        backoff=bgjobs.backoff.IMMEDIATE,
        poll_interval=RARELY,
    )


async def drained(world: World, state: State) -> None:
    """Check that no stored job is lost or run twice."""
    async with world.running(queues=[queue()]) as bg:
        await bg.drain(with_delayed=True)
    jobs = {name: [one for one in found if one != "effect"] for name, found in state.items()}
    expected = {name: tuple(sorted(ENDS[name] * len(found))) for name, found in jobs.items()}
    assert world.state() == expected


async def drained_beside_a_schedule(world: World, state: State) -> None:
    async with world.running(queues=[queue()], scheduled_jobs=[hourly()]) as bg:
        await bg.drain(with_delayed=True)
    found = world.state()
    assert [one for one in found.pop("tick") if one != "succeeded"] == list(PLANNED)
    assert found == {name: ENDS[name] for name in state if name != "tick"}


async def ends_as_it_is(world: World, state: State) -> None:
    assert world.state() == state


# Enqueueing


async def enqueue(world: World) -> None:
    async with world.running(enqueue_only=[plain]) as bg:
        with world.disturbed():
            await bg.enqueue(plain.request())


async def enqueue_many(world: World) -> None:
    async with world.running(enqueue_only=[plain, long]) as bg:
        with world.disturbed():
            await bg.enqueue_many(plain.request() for _ in range(3))


async def enqueue_unique(world: World) -> None:
    async with world.running(enqueue_only=[plain]) as bg:
        with world.disturbed():
            await bg.enqueue(plain.request().unique("one"))
            await bg.enqueue(plain.request().unique("one"))


async def enqueue_beside_others(world: World) -> None:
    async with (
        world.running(enqueue_only=[plain, long]) as bg,
        anyio.create_task_group() as group,
    ):
        for _ in range(2):
            group.start_soon(bg.enqueue, long.request())
        with world.disturbed():
            await bg.enqueue(plain.request())


# Running


async def run_job(worker: Any, world: World) -> None:
    """Run a job; disturb one worker from the start, the others from their job on."""
    with world.disturbed(at_once=worker is completing):
        async with world.running(queues=[queue(worker)]) as bg:
            world.begin()
            await bg.enqueue(worker.request())
            await bg.drain(with_delayed=True)
    # A handler that has returned is not run again, whatever happens while its end is stored.
    assert world.returned == world.state().get("plain", ()).count("succeeded")


async def run_into_the_grace(world: World) -> None:
    with world.disturbed(at_once=False):
        async with world.running(queues=[queue()], grace=5) as bg:
            world.begin()
            await bg.enqueue_many([long.request(), completing.request()])
            await anyio.sleep(0.5)


async def run_everything(world: World) -> None:
    seen: list[Event] = []

    async def listener(event: Event) -> None:
        seen.append(event)

    settings: dict[str, Any] = {"queues": [queue()], "scheduled_jobs": [hourly()]}
    with world.disturbed():
        async with world.running(**settings, listeners=[listener, world.record]) as bg:
            await bg.enqueue_many([plain.request(), completing.request()])
            await anyio.sleep(HOUR + 10)


async def stop(world: World) -> None:
    with world.disturbed(at_once=False):
        async with world.running(queues=[queue()]) as bg:
            world.begin()
            await bg.enqueue_many(completing.request() for _ in range(3))
            await anyio.sleep(0.5)
            bg.stop(grace=0.1)
            await bg.wait_stopping()


async def serve(world: World) -> None:
    config = world.config(queues=[queue()])
    with world.disturbed():
        async with anyio.create_task_group() as group:
            bg = await group.start(bgjobs.serve, config)
            await bg.enqueue_many(completing.request() for _ in range(3))
            await anyio.sleep(1.5)
            bg.stop()


async def give_back(world: World) -> None:
    """Release a job that a process held when it died."""
    store, past = world.store.real, datetime(2029, 1, 1, tzinfo=UTC)
    other = Owner(new_id(), "other", "elsewhere")
    store.open_owner(other, timedelta(seconds=20), now=past)
    store.write([NewJob(new_id(), completing.request())], now=past)
    store.reserve(other.id, ["completing"], 1, now=past)
    with world.disturbed():
        async with world.running(queues=[queue()]) as bg:
            await bg.drain()


async def ends_after_a_crash(world: World, state: State) -> None:
    async with world.running(queues=[queue()]) as bg:
        await bg.drain(with_delayed=True)
    assert world.state() == {"completing": ("effect", "succeeded, crashed 1")}


# Beside running jobs


async def drain(world: World) -> None:
    async with world.running(queues=[queue()]) as bg:
        await bg.enqueue_many([plain.request(), completing.request()])
        with world.disturbed():
            assert await bg.drain(with_delayed=True)
        assert bg._services.wakeups._idle == []


async def listen(world: World) -> None:
    async with world.running(queues=[queue()]) as bg:
        listening = list(bg._services.bus.listening())
        with world.disturbed():
            async with bg.events() as events:
                await bg.enqueue(plain.request())
                async for event in events:
                    if isinstance(event, JobSucceeded):
                        break
        assert list(bg._services.bus.listening()) == listening


async def look_up(world: World) -> None:
    async with world.running(queues=[queue(plain)], scheduled_jobs=[hourly()]) as bg:
        job = await bg.enqueue(plain.request())
        await bg.drain()
        with world.disturbed():
            await bg.find(job.id)
            await unreserved(bg)
            await bg.list(bgjobs.JobFilter("running"))
            await bg.list(bgjobs.JobFilter("succeeded"))
            await bg.list(bgjobs.JobFilter("failed"))
            await bg.count()
            await bg.scheduled_job("tick").occurrence()


def allowed_of(*workers: str) -> dict[str, set[Ends]]:
    return {name: NOTHING | BETWEEN[name] for name in workers}


OPERATIONS = [
    Operation(
        name="enqueue",
        live=enqueue,
        allowed={"plain": {(), ("waiting",)}},
        untouched={},
        finish=drained,
    ),
    Operation(
        name="enqueue many",
        live=enqueue_many,
        allowed={"plain": {(), ("waiting",) * 3}},
        untouched={},
        finish=drained,
    ),
    Operation(
        name="enqueue a unique job twice",
        live=enqueue_unique,
        allowed={"plain": {(), ("waiting",)}},
        untouched={},
        finish=drained,
    ),
    Operation(
        name="enqueue beside others",
        live=enqueue_beside_others,
        allowed={"plain": {(), ("waiting",)}, "long": {("waiting",) * 2}},
        untouched={"long": ("waiting",) * 2},
        finish=drained,
    ),
    *(
        Operation(
            name=f"run a job that is {worker.name}",
            live=partial(run_job, worker),
            allowed=allowed_of(worker.name),
            commands=2 if worker is plain else 1,
            finish=drained,
        )
        for worker in (plain, completing, stumbling, raising, snoozing)
    ),
    Operation(
        name="run into the grace",
        live=run_into_the_grace,
        allowed=allowed_of("long", "completing"),
        finish=drained,
    ),
    Operation(
        name="run everything at once",
        live=run_everything,
        stride=2,
        untouched={},
        allowed={
            **allowed_of("plain", "completing"),
            "tick": {(), PLANNED, (*PLANNED, "succeeded")},
        },
        finish=drained_beside_a_schedule,
    ),
    Operation(
        name="stop",
        live=stop,
        allowed={"completing": NOTHING | some(BETWEEN["completing"], 3)},
        finish=drained,
    ),
    Operation(
        name="serve",
        live=serve,
        untouched={},
        allowed={"completing": NOTHING | some(BETWEEN["completing"], 3)},
        finish=drained,
    ),
    Operation(
        name="give back what the dead hold",
        live=give_back,
        allowed={
            "completing": {
                ("reserved",),
                ("waiting, crashed 1",),
                ("effect", "succeeded, crashed 1"),
            },
            "owner other": {(), ("open",)},
        },
        finish=ends_after_a_crash,
    ),
    Operation(
        name="drain",
        live=drain,
        allowed={name: BETWEEN[name] for name in ("plain", "completing")},
        finish=drained,
    ),
    Operation(name="events", live=listen, allowed=allowed_of("plain"), finish=drained),
    Operation(
        name="look up",
        live=look_up,
        allowed={"plain": {ENDS["plain"]}, "tick": {PLANNED}},
        finish=ends_as_it_is,
    ),
    *schedules.operations(),
    *cancellations.operations(),
]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_whatever_goes_wrong_the_store_is_as_allowed(operation: Operation) -> None:
    found = Sweep(operation).everywhere()
    assert found.plays > found.steps / operation.stride + len(found.calls)
