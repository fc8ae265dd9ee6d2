"""SIGTERM and SIGINT stop all applications of an event loop."""

import os
import signal
from collections.abc import Callable

import anyio
import anyio.lowlevel
import pytest

import bgjobs
from bgjobs.events import (
    JobStarted,
)
from tests.fixtures.databases import SQLiteFile
from tests.runtime.conftest import Harness
from tests.runtime.supervision.helpers import note

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def forever() -> None:
    await anyio.sleep_forever()


def reserved(app: Harness) -> int:
    store = app.open_store()
    try:
        return len(store.get_running())
    finally:
        store.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_the_application_and_a_second_one_ends_the_grace(
    sqlite_app: Harness, number: int
) -> None:
    async with bgjobs.run(sqlite_app.config(forever, grace=3600)) as bg:
        await bg.enqueue(forever.request())
        await sqlite_app.recorder.wait_for(JobStarted)
        async with anyio.create_task_group() as group:
            group.start_soon(bg.run_until_stopped)
            await anyio.wait_all_tasks_blocked()
            os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
    assert reserved(sqlite_app) == 0


async def stopped_by_signals(
    config: bgjobs.Config, ask: Callable[[bgjobs.BgJobs], None], ready: anyio.Event
) -> None:
    async with bgjobs.run(config) as bg:
        ask(bg)
        ready.set()
        await bg.run_until_stopped()


def once(bg: bgjobs.BgJobs) -> None:
    """Do nothing: `run_until_stopped` calls `stop_on_signals`."""


async def test_a_signal_stops_all_applications_of_a_process(sqlite_file: SQLiteFile) -> None:
    def config(name: str) -> bgjobs.Config:
        store = bgjobs.SQLiteStore(sqlite_file.path.with_name(name))
        return bgjobs.Config(store=store, enqueue_only=[note])

    async with anyio.create_task_group() as group:
        for name in ("one.db", "two.db"):
            ready = anyio.Event()
            group.start_soon(stopped_by_signals, config(name), once, ready)
            await ready.wait()
        await anyio.wait_all_tasks_blocked()
        os.kill(os.getpid(), signal.SIGTERM)


async def test_two_calls_of_stop_on_signals_react_once_to_a_signal(sqlite_app: Harness) -> None:
    release, ended = anyio.Event(), list[str]()

    @bgjobs.worker
    async def waiting() -> None:
        await release.wait()
        ended.append("well")

    async with bgjobs.run(sqlite_app.config(waiting, grace=60)) as bg:
        await bg.enqueue(waiting.request())
        await sqlite_app.recorder.wait_for(JobStarted)
        bg.stop_on_signals()
        async with anyio.create_task_group() as group:
            group.start_soon(bg.run_until_stopped)
            await anyio.wait_all_tasks_blocked()
            os.kill(os.getpid(), signal.SIGTERM)
            await bg.wait_stopping()
        release.set()
    assert ended == ["well"]
