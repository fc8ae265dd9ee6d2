"""Operations for the sweep in which an operator cancels jobs: all are stored as cancelled."""

from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial

import anyio

import bgjobs
from tests.runtime.cancellation_sweep.sweep import RARELY, Operation, State, World

CANCELLED = ("cancelled",)
WAITING = ("waiting",)
SUCCEEDED = ("succeeded",)


@bgjobs.worker
async def patient() -> None:
    await anyio.sleep(60)


def queue() -> bgjobs.Queue:
    return bgjobs.Queue("patient", workers=[patient], poll_interval=RARELY)


async def cancel(bg: bgjobs.BgJobs, job: bgjobs.Job) -> None:
    await bg.admin.cancel(job.id, reason="not needed", by="ada")


async def cancel_waiting(world: World) -> None:
    async with world.running(enqueue_only=[patient]) as bg:
        job = await bg.enqueue(patient.request())
        with world.disturbed():
            await cancel(bg, job)


async def cancel_running(world: World, *, whole: bool) -> None:
    """Cancel a job while its handler runs; disturb that alone, or all up to the end."""
    outer = world.disturbed(at_once=False) if whole else nullcontext()
    inner = nullcontext() if whole else world.disturbed()
    with outer:
        async with world.running(queues=[queue()]) as bg:
            job = await bg.enqueue(patient.request())
            await anyio.sleep(1)
            if whole:
                world.begin()
            with inner:
                await cancel(bg, job)
            await bg.drain()


async def stays_cancelled(world: World, state: State) -> None:
    """Check that a cancelled job never runs, and that another one does."""
    async with world.running(queues=[queue()]) as bg:
        await bg.drain()
        cancelled = await bg.list(bgjobs.JobFilter("cancelled"))
    is_cancelled = CANCELLED in state.values()
    assert [(job.reason, job.cancelled_by) for job in cancelled] == (
        [("not needed", "ada")] if is_cancelled else []
    )
    assert world.state() == ({"patient": CANCELLED} if is_cancelled else {"patient": SUCCEEDED})


def operations() -> Iterator[Operation]:
    """Yield the cancellation of a waiting job, and that of a running one in two ways."""
    yield Operation(
        name="cancel a waiting job",
        live=cancel_waiting,
        allowed={"patient": {WAITING, CANCELLED}},
        untouched={"patient": WAITING},
        finish=stays_cancelled,
    )
    for whole in (False, True):
        ends: set[tuple[str, ...]] = (
            {CANCELLED, SUCCEEDED, WAITING} if whole else {CANCELLED, SUCCEEDED}
        )
        yield Operation(
            name=f"cancel a running job, disturbed in {'run' if whole else 'its caller'}",
            live=partial(cancel_running, whole=whole),
            allowed={"patient": ends},
            finish=stays_cancelled,
        )
