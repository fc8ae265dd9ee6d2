"""Operations on scheduled jobs for the sweep: their caller or `run` is cancelled."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any

import anyio
from attrs import frozen

import bgjobs
from bgjobs import schedule
from tests.fixtures.listings import unreserved
from tests.runtime.cancellation_sweep.sweep import RARELY, Operation, State, World

HOUR = 3600
MINUTE = 60
HOURLY, DAILY = schedule().on_minute(0).build(), schedule().at(0).build()

Ends = tuple[str, ...]
PLANNED: Ends = (f"planned {HOURLY}",)
DAILY_PLANNED: Ends = (f"planned {DAILY}",)
PAUSED: Ends = ("paused",)
EXTRA = ("succeeded", "waiting")


@bgjobs.worker
async def tick() -> None:
    await anyio.sleep(1)


@bgjobs.worker
async def longer() -> None:
    await anyio.sleep(HOUR / 2)


def hourly(worker: Any = tick) -> bgjobs.ScheduledJob:
    return bgjobs.ScheduledJob(worker, HOURLY, poll_interval=RARELY)


@frozen(kw_only=True)
class Change:
    """A change, made after a while, and the allowed states of the row afterwards."""

    name: str
    make: Callable[[bgjobs.BgJobs], Awaitable[object]]
    before: Ends = PLANNED
    after: set[Ends]
    """The allowed states if only the caller was cancelled, once the change was recorded."""
    paused: bool = False
    """Whether the job is paused before."""
    worker: Any = tick
    wait: float = MINUTE


async def pause(bg: bgjobs.BgJobs) -> None:
    await bg.scheduled_jobs[0].pause()


async def resume(bg: bgjobs.BgJobs) -> None:
    await bg.scheduled_jobs[0].resume()


async def replace(bg: bgjobs.BgJobs) -> None:
    await bg.scheduled_jobs[0].replace(DAILY)


async def trigger(bg: bgjobs.BgJobs) -> None:
    await bg.scheduled_jobs[0].trigger()


async def add(bg: bgjobs.BgJobs) -> None:
    await bg.add_scheduled_job(hourly(longer))


async def remove(bg: bgjobs.BgJobs) -> None:
    await bg.remove_scheduled_job(bg.scheduled_jobs[0].name)


CHANGES = (
    Change(name="pause", make=pause, after={PAUSED}),
    Change(name="resume", make=resume, after={PLANNED}, paused=True, before=PAUSED),
    Change(name="replace", make=replace, after={DAILY_PLANNED}),
    Change(name="trigger", make=trigger, after={PLANNED, *((*PLANNED, one) for one in EXTRA)}),
    Change(name="remove", make=remove, after={()}),
    Change(
        name="pause while it runs",
        make=pause,
        after={PAUSED},
        worker=longer,
        wait=HOUR + MINUTE,
    ),
    Change(
        name="replace while it runs",
        make=replace,
        # Shutdown interrupts the run, which keeps its schedule until it has ended.
        after={PLANNED},
        worker=longer,
        wait=HOUR + MINUTE,
    ),
    Change(
        name="remove while it runs", make=remove, after={()}, worker=longer, wait=HOUR + MINUTE
    ),
)


async def change(wanted: Change, world: World, *, whole: bool) -> None:
    """Make a change; disturb it alone, or everything up to the end of the application."""
    outer = world.disturbed(at_once=False) if whole else nullcontext()
    inner = nullcontext() if whole else world.disturbed()
    with outer:
        async with world.running(scheduled_jobs=[hourly(wanted.worker)]) as bg:
            await anyio.sleep(wanted.wait)
            if wanted.paused:
                await pause(bg)
            if whole:
                world.begin()
            with inner:
                await wanted.make(bg)
    if not whole and len(world.store.real.operations.list_audit()) > wanted.paused:
        assert world.state().get(wanted.worker.name, ()) in wanted.after


async def add_another(world: World, *, whole: bool) -> None:
    """Do the same for a scheduled job that is added later."""
    added = Change(name="add", make=add, after={PLANNED})
    await change(added, world, whole=whole)


async def goes_on(worker: Any, world: World, state: State) -> None:
    """Check that it has one live row, and runs once each hour unless it is paused."""
    before = served(world)
    async with world.running(scheduled_jobs=[hourly(worker)]) as bg:
        await anyio.sleep(3 * HOUR + 45 * MINUTE)  # no run is in progress at that minute
        rows = [one for one in await unreserved(bg, worker.name) if one.occurrence]
        rows += [one for one in await bg.list(bgjobs.JobFilter("running")) if one.occurrence]
    times = served(world)
    assert len(rows) == 1
    assert len(set(times)) == len(times)
    was_paused = PAUSED[0] in state.get(worker.name, ())
    assert len(times) - len(before) in ((0,) if was_paused else (3, 4)), times
    assert set(world.state()) == {worker.name}


def served(world: World) -> list[object]:
    """Return the occurrences that were run."""
    return [
        one.occurrence.at
        for one in world.store.real.list(bgjobs.JobFilter("succeeded"))
        if one.occurrence
    ]


async def both_go_on(world: World, state: State) -> None:
    async with world.running(scheduled_jobs=[hourly(), hourly(longer)]):
        await anyio.sleep(3 * HOUR + 45 * MINUTE)
    found = world.state()
    assert set(found) == {"tick", "longer"}
    for rows in found.values():
        assert sorted(rows) == sorted([*PLANNED, *["succeeded"] * (len(rows) - 1)])
        assert len(rows) in (4, 5)


def operations() -> Iterator[Operation]:
    """Yield each change twice: with its caller cancelled, and with all of `run` cancelled."""
    for one in CHANGES:
        for whole, what in ((False, "its caller"), (True, "run")):
            yield Operation(
                name=f"{one.name}, disturbed in {what}",
                live=partial(change, one, whole=whole),
                allowed={one.worker.name: one.after | {one.before}},
                finish=partial(goes_on, one.worker),
            )
    for whole in (False, True):
        yield Operation(
            name=f"add, disturbed in {'run' if whole else 'its caller'}",
            live=partial(add_another, whole=whole),
            allowed={"tick": {PLANNED}, "longer": {(), PLANNED}},
            finish=both_go_on,
        )
