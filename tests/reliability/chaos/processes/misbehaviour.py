"""Handlers and listeners that misbehave."""

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
from tests.reliability.chaos.processes.handlers import EXPECTED_ERROR, HandlerError, Tools

LONGER_THAN_THE_LEASE = 1.4
CRASHING_WORKERS = ("crasher", "exiting", "cancelled")
"""Workers whose handlers crash their queue."""
KILLING_WORKERS = ("poison",)
"""Workers whose handlers kill the process, each time."""


class Boom(BaseException):
    """An error that is not an `Exception`, so it crashes the queue."""


def workers(tools: Tools) -> list[AnyWorker]:
    """Return all misbehaving workers; most complete their job in a later run."""
    return [
        _made(tools, "grouped", _raise_group),
        _made(tools, "unprintable", _raise_unprintable),
        _made(tools, "crasher", _raise_base_exception),
        _made(tools, "exiting", _exit),
        _made(tools, "cancelled", _raise_cancelled),
        _made(tools, "blocker", _block_the_loop),
        _poison(tools),
        _ignoring(tools),
        _late_thread(tools),
        _raising_in_transaction(tools),
        _rolling_back(tools),
    ]


def listeners() -> Sequence[Listener]:
    """Return listeners that raise, are slow, or return an awaitable only for some events."""
    return [_raising, _raising_async, _slow, _blocking, _mixed]


def _made(tools: Tools, name: str, act: Any) -> AnyWorker:
    async def handler(context: bgjobs.JobContext, key: str, milliseconds: int) -> None:
        tools.begin(context)
        tools.leave_effect(context)
        if context.job.attempts == context.job.crashes == 0:
            tools.journal.write("misbehaved", name)
            act()

    return bgjobs.worker(name=name)(handler)


def _raise_group() -> None:
    raise ExceptionGroup(
        EXPECTED_ERROR, [HandlerError(EXPECTED_ERROR), ExceptionGroup("", [KeyError(1)])]
    )


def _raise_unprintable() -> None:
    raise HandlerError("\0 \ud800 " + "x" * 100_000)


def _raise_base_exception() -> None:
    raise Boom(EXPECTED_ERROR)


def _exit() -> None:
    sys.exit(3)


def _raise_cancelled() -> None:
    # The error of a handler that awaits another task on asyncio, which was cancelled.
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


def _ignoring(tools: Tools) -> AnyWorker:
    @bgjobs.worker(name="ignoring cancellation", timeout=0.1)
    async def ignoring(context: bgjobs.JobContext, key: str, milliseconds: int) -> None:
        tools.begin(context)
        tools.journal.write("misbehaved", "ignoring cancellation")
        for _ in range(5):
            try:
                await anyio.sleep(0.05)
            except BaseException:  # noqa: BLE001 - this handler ignores its cancellation on purpose
                continue
        tools.leave_effect(context)

    return ignoring


def _late_thread(tools: Tools) -> AnyWorker:
    @bgjobs.worker(name="late thread", timeout=0.1)
    def late_thread(context: bgjobs.JobContext, key: str, milliseconds: int) -> None:
        tools.begin(context)
        tools.journal.write("misbehaved", "late thread")
        time.sleep(0.3)
        tools.leave_effect(context)

    return late_thread


def _raising_in_transaction(tools: Tools) -> AnyWorker:
    """Return a worker whose work in `complete_with` raises after it has written."""

    def work(context: bgjobs.JobContext, connection: Any) -> None:
        tools.write_effect(context.job, connection)
        if context.attempt == 1:
            tools.journal.write("misbehaved", "raising in transaction")
            raise HandlerError(EXPECTED_ERROR)

    @bgjobs.worker(name="raising in transaction")
    async def raising(context: bgjobs.JobContext, key: str, milliseconds: int) -> None:
        tools.begin(context)
        tools.complete(context, partial(work, context))

    return raising


def _rolling_back(tools: Tools) -> AnyWorker:
    """Return a worker whose work in `complete_with` rolls back after it has written."""

    def work(context: bgjobs.JobContext, connection: Any) -> None:
        tools.write_effect(context.job, connection)
        if context.attempt == 1:
            tools.journal.write("misbehaved", "rolling back")
            connection.rollback()

    @bgjobs.worker(name="rolling back")
    async def rolling_back(context: bgjobs.JobContext, key: str, milliseconds: int) -> None:
        tools.begin(context)
        tools.complete(context, partial(work, context))

    return rolling_back


def _raising(event: Event) -> None:
    if isinstance(event, JobStarted):
        raise HandlerError(EXPECTED_ERROR)


async def _raising_async(event: Event) -> None:
    if isinstance(event, JobSucceeded):
        raise HandlerError(EXPECTED_ERROR)


async def _slow(event: Event) -> None:
    if isinstance(event, JobSucceeded):
        await anyio.sleep(0.02)


def _blocking(event: Event) -> None:
    if isinstance(event, JobSucceeded):
        time.sleep(0.005)


def _mixed(event: Event) -> Any:
    return _slow(event) if isinstance(event, JobStarted) else None
