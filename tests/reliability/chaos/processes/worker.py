"""A process that runs jobs until it receives SIGTERM or dies."""

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import cast

import anyio

import bgjobs
from bgjobs._core.config import RestartTolerance
from bgjobs.backoff import Constant
from bgjobs.errors import StoreError
from bgjobs.events import (
    CancellationIgnored,
    ChildCrashed,
    FailureHookFailed,
    ListenerFailed,
    LoopLag,
    MonitorFailed,
    QueueError,
    ReservationLost,
    RestartLimitExceeded,
    StoreFailed,
)
from bgjobs.stores.port import Store
from tests.fixtures.looks import slow_looks
from tests.reliability.chaos.processes import misbehaviour
from tests.reliability.chaos.processes.handlers import Tools, scheduled_jobs, workers
from tests.reliability.chaos.processes.stores import FaultPoints, FaultPointStore, UnfencedStore
from tests.reliability.chaos.settings import Journal, ProcessSettings, load

RESTARTS = 1000
"""The restarts of a queue that a worker tolerates: misbehaving handlers crash it often."""
STORE_UNAVAILABLE = 75
"""The exit code when the store is unavailable at the start: EX_TEMPFAIL of sysexits.h."""
_REPORTED = (
    CancellationIgnored
    | FailureHookFailed
    | ChildCrashed
    | RestartLimitExceeded
    | ListenerFailed
    | LoopLag
    | MonitorFailed
    | QueueError
    | ReservationLost
    | StoreFailed
)
_SOURCES = ("verb", "child", "queue", "listener")
"""The attributes that name the source of an event; each event has one of them at most."""
_SHOWN = 300
"""The number of characters of an error that are written to the journal."""
_PATIENCE = 3.0
"""Seconds that threads may take to end."""


def main(settings: ProcessSettings) -> int:
    """Run jobs until stopped, then record the tasks, threads and files that remain."""
    logging.getLogger("bgjobs").setLevel(logging.CRITICAL)
    journal = Journal(settings.journal)
    files = open_files()
    looks = slow_looks() if os.getpid() % 2 else nullcontext()
    try:
        with looks:
            tasks = anyio.run(partial(_work, settings, journal), backend=settings.backend)
    except StoreError as error:
        journal.write("store unavailable", os.getpid(), repr(error))
        return STORE_UNAVAILABLE
    left = {
        "tasks": tasks,
        "threads": left_threads(),
        "files": sorted(open_files() - files),
    }
    journal.write("ended", os.getpid(), {what: names for what, names in left.items() if names})
    return 0


async def _work(settings: ProcessSettings, journal: Journal) -> list[str]:
    """Run jobs, and return the names of the tasks that remain."""
    before = {task.id for task in anyio.get_running_tasks()}
    async with bgjobs.run(config_for(settings, journal)) as bg:
        journal.write("began", os.getpid(), settings.backend)
        await bg.run_until_stopped()
    left = [task for task in anyio.get_running_tasks() if task.id not in before]
    return [task.name or repr(task) for task in left]


def config_for(settings: ProcessSettings, journal: Journal) -> bgjobs.Config:
    """Return the configuration of a worker."""
    tools = Tools(settings, journal, FaultPoints(settings, journal))
    listeners: list[bgjobs.Listener] = [
        partial(_on_event, journal),
        *(misbehaviour.listeners() if settings.misbehaviour else ()),
    ]
    config = bgjobs.Config(
        store=_store(tools),
        queues=[_queue(tools)],
        scheduled_jobs=scheduled_jobs(tools),
        middleware=[tools.around],
        listeners=listeners,
        lease=settings.lease,
        sweep_interval=settings.lease / 4,
        grace=settings.grace,
        # Unless handlers misbehave, nothing may crash, whatever happens to the database.
        restart_tolerance=RestartTolerance(
            restarts=RESTARTS if settings.misbehaviour else 0, backoff=Constant(0.05)
        ),
    )
    for function in settings.config_hooks:
        config = load(function)(config, settings)
    return config


def _queue(tools: Tools) -> bgjobs.Queue:
    chosen = [*workers(tools), *misbehaviour.workers(tools)]
    for worker in chosen:
        worker.on_failure(tools.write_end)
    return bgjobs.Queue(
        "chaos",
        workers=chosen,
        concurrency=tools.settings.concurrency,
        backoff=Constant(0.05),
        poll_interval=0.25,
    )


def _store(tools: Tools) -> Store:
    store = tools.settings.store()
    if tools.settings.unfenced:
        store = cast("Store", UnfencedStore(store, tools.settings.database))
    # Cast: the wrappers have all methods of the store by `__getattr__`.
    return cast("Store", FaultPointStore(store, tools.fault_points))


def _on_event(journal: Journal, event: bgjobs.Event) -> None:
    if not isinstance(event, _REPORTED):
        return
    sources = [getattr(event, name) for name in _SOURCES if hasattr(event, name)]
    errors = sorted({repr(one)[:_SHOWN] for one in _leaves(getattr(event, "error", None))})
    journal.write("event", type(event).__name__, ", ".join(sources), *errors)


def _leaves(error: object) -> Iterator[object]:
    """Yield the errors of a group, or the error itself, or nothing for None."""
    if isinstance(error, BaseExceptionGroup):
        for one in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from _leaves(one)
    elif error is not None:
        yield error


def open_files() -> set[str]:
    """Return the open files of this process."""
    found = set()
    for file in Path("/proc/self/fd").iterdir():
        try:
            found.add(f"{file.name} {file.readlink()}")
        except FileNotFoundError:  # the descriptor of the listing itself
            continue
    return found


def left_threads() -> list[str]:
    """Return the names of remaining threads, except those that Trio keeps for its next run."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        left = [
            one.name
            for one in threading.enumerate()
            if one is not threading.main_thread() and "Trio thread" not in one.name
        ]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.01)
