"""Handlers and listeners that do what none should."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import anyio

import bgjobs
from bgjobs._core.config import AnyWorker
from bgjobs.events import Event, JobStarted, JobSucceeded, Listener
from tests.reliability.chaos.handlers import REASON, HandlerError, Tools

LONGER_THAN_THE_LEASE = 1.4
CULPRITS = ("crasher", "leaver", "forsaken")
"""Workers whose handlers take their queue down."""
DEADLY = ("poison",)
"""Workers whose handlers take the whole process down, each time."""


class Boom(BaseException):
    """What is no `Exception`; it takes the queue down."""


def workers(tools: Tools) -> list[AnyWorker]:
    """Give them all; each does its worst at first and completes the job in the end."""
    return [
        _made(tools, "grouped", _raise_group),
        _made(tools, "unprintable", _raise_unprintable),
        _made(tools, "crasher", _raise_base_exception),
        _made(tools, "leaver", _leave),
        _made(tools, "forsaken", _raise_cancelled),
        _made(tools, "blocker", _block_the_loop),
        _poison(tools),
        _deaf(tools),
        _overdue(tools),
        _careless(tools),
        _meddler(tools),
    ]


def listeners() -> Sequence[Listener]:
    """Give listeners that raise, are slow, or are neither plain nor async."""
    return [_raising, _raising_async, _slow, _blocking, _mixed]


def _made(tools: Tools, name: str, act: Any) -> AnyWorker:
    async def handler(context: bgjobs.JobContext, key: str, milliseconds: int) -> None:
        tools.begin(context)
        tools.leave_effect(context)
        if context.job.attempts == context.job.crashes == 0:
            tools.journal.write("struck", name)
            act()

    return bgjobs.worker(name=name)(handler)


def _raise_group() -> None:
    raise ExceptionGroup(REASON, [HandlerError(REASON), ExceptionGroup("", [KeyError(1)])])


def _raise_unprintable() -> None:
    raise HandlerError("\0 \ud800 " + "x" * 100_000)


def _raise_base_exception() -> None:
    raise Boom(REASON)


def _leave() -> None:
    sys.exit(3)


def _raise_cancelled() -> None:
    # What awaiting somebody else's cancelled task raises on asyncio.
    raise asyncio.CancelledError


def _block_the_loop() -> None:
    time.sleep(LONGER_THAN_THE_LEASE)


def _poison(tools: Tools) -> AnyWorker:
    @bgjobs.worker(name="poison")
    def poison(context: bgjobs.JobContext, key: str, milliseconds: int) -> None:
        tools.begin(context)
        tools.journal.write("died", "poison")
        os.kill(os.getpid(), signal.SIGKILL)

    return poison


def _deaf(tools: Tools) -> AnyWorker:
    @bgjobs.worker(name="deaf", timeout=0.1)
    async def deaf(context: bgjobs.JobContext, key: str, milliseconds: int) -> None:
        tools.begin(context)
        tools.journal.write("struck", "deaf")
        for _ in range(5):
            try:
                await anyio.sleep(0.05)
            except BaseException:  # noqa: BLE001 - not to hear is what it is for
                continue
        tools.leave_effect(context)

    return deaf


def _overdue(tools: Tools) -> AnyWorker:
    @bgjobs.worker(name="overdue", timeout=0.1)
    def overdue(context: bgjobs.JobContext, key: str, milliseconds: int) -> None:
        tools.begin(context)
        tools.journal.write("struck", "overdue")
        time.sleep(0.3)
        tools.leave_effect(context)

    return overdue


def _careless(tools: Tools) -> AnyWorker:
    """What it gives to `complete_with` raises, after it has written."""

    def work(context: bgjobs.JobContext, connection: Any) -> None:
        tools.write_effect(context.job, connection)
        if context.attempt == 0:
            tools.journal.write("struck", "careless")
            raise HandlerError(REASON)

    @bgjobs.worker(name="careless")
    async def careless(context: bgjobs.JobContext, key: str, milliseconds: int) -> None:
        tools.begin(context)
        context.complete_with(partial(work, context))

    return careless


def _meddler(tools: Tools) -> AnyWorker:
    """What it gives to `complete_with` rolls back, after it has written."""

    def work(context: bgjobs.JobContext, connection: Any) -> None:
        tools.write_effect(context.job, connection)
        if context.attempt == 0:
            tools.journal.write("struck", "meddler")
            connection.rollback()

    @bgjobs.worker(name="meddler")
    async def meddler(context: bgjobs.JobContext, key: str, milliseconds: int) -> None:
        tools.begin(context)
        context.complete_with(partial(work, context))

    return meddler


def _raising(event: Event) -> None:
    if isinstance(event, JobStarted):
        raise HandlerError(REASON)


async def _raising_async(event: Event) -> None:
    if isinstance(event, JobSucceeded):
        raise HandlerError(REASON)


async def _slow(event: Event) -> None:
    if isinstance(event, JobSucceeded):
        await anyio.sleep(0.02)


def _blocking(event: Event) -> None:
    if isinstance(event, JobSucceeded):
        time.sleep(0.005)


def _mixed(event: Event) -> Any:
    return _slow(event) if isinstance(event, JobStarted) else None
