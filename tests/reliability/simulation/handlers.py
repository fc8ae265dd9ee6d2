"""The handlers of a world; each run does what the plan says for it."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, final

import trio
from attrs import frozen

import bgjobs
from bgjobs._core.outcomes import Discard, Snooze
from bgjobs._core.requests import JobRequest
from tests.reliability.simulation.plan import TIMEOUT, Order, Step
from tests.reliability.simulation.process import PROCESS
from tests.reliability.simulation.runs import Run, Runs

SNOOZE = 2.0
"""Seconds."""
BEAT = Step("return", 0.5)
"""What a run of a scheduled job does."""


class Bug(BaseException):
    """Takes the queue down."""


class SpoiledError(Exception):
    """Raised inside the transaction that completes a job."""


@final
@frozen
class Stage:
    """What handlers know of their world."""

    runs: Runs
    orders: Mapping[int, Order]


STAGE: ContextVar[Stage] = ContextVar("STAGE")


@bgjobs.worker(name="plain")
async def plain(context: bgjobs.JobContext, number: int) -> None:
    """Do what the order of this number says."""
    order = STAGE.get().orders[number]
    await _perform(context, order.steps, writes=order.writes, timed=False)


@bgjobs.worker(name="timed", timeout=TIMEOUT)
async def timed(context: bgjobs.JobContext, number: int) -> None:
    """Do the same, within a time."""
    order = STAGE.get().orders[number]
    await _perform(context, order.steps, writes=order.writes, timed=True)


@bgjobs.worker(name="beat")
async def beat(context: bgjobs.JobContext) -> None:
    """Run for a schedule."""
    await _perform(context, (BEAT,) * 100, writes=True, timed=False)


WORKERS = {worker.name: worker for worker in (plain, timed)}


def request_for(order: Order) -> JobRequest:
    """Ask for the job of an order."""
    request = WORKERS[order.worker].request(order.number).priority(order.priority)
    if order.delay:
        request = request.available_in(seconds=order.delay)
    return request if order.key is None else request.unique(order.key)


async def _perform(
    context: bgjobs.JobContext, steps: tuple[Step, ...], *, writes: bool, timed: bool
) -> None:
    process, job = PROCESS.get(), context.job
    if process.dead:
        await trio.lowlevel.checkpoint()  # its cancellation
        return
    runs = STAGE.get().runs
    turn = runs.count(job.id)
    step = steps[turn] if turn < len(steps) else Step()
    run = runs.began(process, job.id, job.reservations, timed=timed)
    try:
        await trio.sleep(step.seconds)
    except trio.Cancelled:
        runs.ended(run, "cancelled")
        raise
    if writes:
        run.writes = True
        context.complete_with(_effect(run))
    _finish(runs, run, step, context)


def _effect(run: Run) -> Callable[[Any], None]:
    # Any: the driver's connection.
    return lambda raw: raw.execute("insert into effects values (?, ?)", (run.job, run.number))


def _finish(runs: Runs, run: Run, step: Step, context: bgjobs.JobContext) -> None:
    match step.deed:
        case "raise":
            runs.ended(run, "raised")
            raise ValueError("as planned")
        case "discard":
            runs.ended(run, "discarded")
            raise Discard("as planned")
        case "snooze":
            runs.ended(run, "snoozed")
            raise Snooze(for_=SNOOZE)
        case "crash":
            runs.ended(run, "crashed")
            raise Bug
        case "spoil":
            runs.ended(run, "spoiled")
            context.complete_with(_spoil)
        case "return":
            runs.ended(run, "returned")


def _spoil(raw: object) -> None:
    raise SpoiledError
