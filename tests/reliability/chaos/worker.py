"""One process that runs the jobs of a storm until it is told to stop, or dies."""

import logging
import os
import threading
import time
from collections.abc import Iterator
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
    ListenerFailed,
    LoopLag,
    MonitorFailed,
    QueueError,
    ReservationLost,
    RestartLimitExceeded,
    StoreFailed,
)
from bgjobs.stores.port import Store
from tests.reliability.chaos import zoo
from tests.reliability.chaos.handlers import Tools, scheduled_jobs, workers
from tests.reliability.chaos.harm import HarmingStore, Points
from tests.reliability.chaos.journal import Journal
from tests.reliability.chaos.named import named
from tests.reliability.chaos.storm_orders import Orders
from tests.reliability.chaos.unfenced import UnfencedStore

RESTARTS = 1000
"""Crashes of one queue that a worker outlives; wild handlers bring it down again and again."""
STORE_AWAY = 75
"""The exit code of a process that could not even begin, as in sysexits.h: try again later."""
_TOLD = (
    CancellationIgnored
    | ChildCrashed
    | RestartLimitExceeded
    | ListenerFailed
    | LoopLag
    | MonitorFailed
    | QueueError
    | ReservationLost
    | StoreFailed
)
_PLACES = ("verb", "child", "queue", "listener")
"""What says where an event happened; each event has one of these at most."""
_SHOWN = 300
"""Characters of an error that are written down."""
_PATIENCE = 3.0
"""Seconds that threads which have been told to end may take."""


def main(orders: Orders) -> int:
    """Work until stopped, then tell what is left behind in the process."""
    logging.getLogger("bgjobs").setLevel(logging.CRITICAL)
    journal = Journal(orders.journal)
    files = open_files()
    try:
        tasks = anyio.run(partial(_work, orders, journal), backend=orders.backend)
    except StoreError as error:
        journal.write("store away", os.getpid(), repr(error))
        return STORE_AWAY
    left = {
        "tasks": tasks,
        "threads": left_threads(),
        "files": sorted(open_files() - files),
    }
    journal.write("ended", os.getpid(), {what: names for what, names in left.items() if names})
    return 0


async def _work(orders: Orders, journal: Journal) -> list[str]:
    """Work, and name the tasks that are left."""
    before = {task.id for task in anyio.get_running_tasks()}
    async with bgjobs.run(config_for(orders, journal)) as bg:
        journal.write("began", os.getpid(), orders.backend)
        await bg.run_until_stopped()
    left = [task for task in anyio.get_running_tasks() if task.id not in before]
    return [task.name or repr(task) for task in left]


def config_for(orders: Orders, journal: Journal) -> bgjobs.Config:
    """Give what a worker runs with."""
    tools = Tools(orders, journal, Points(orders, journal))
    listeners: list[bgjobs.Listener] = [
        partial(_hear, journal),
        *(zoo.listeners() if orders.zoo else ()),
    ]
    config = bgjobs.Config(
        store=_store(tools),
        queues=[_queue(tools)],
        scheduled_jobs=scheduled_jobs(tools),
        listeners=listeners,
        lease=orders.lease,
        sweep_interval=orders.lease / 4,
        grace=orders.grace,
        # Without handlers that misbehave nothing may crash, whatever is done to the database.
        restart_tolerance=RestartTolerance(
            restarts=RESTARTS if orders.zoo else 0, backoff=Constant(0.05)
        ),
    )
    for function in orders.dress:
        config = named(function)(config, orders)
    return config


def _queue(tools: Tools) -> bgjobs.Queue:
    chosen = [*workers(tools), *zoo.workers(tools)]
    return bgjobs.Queue(
        "storm",
        workers=chosen,
        concurrency=tools.orders.concurrency,
        backoff=Constant(0.05),
        poll_interval=0.25,
    )


def _store(tools: Tools) -> Store:
    store = tools.orders.store()
    if tools.orders.unfenced:
        store = cast("Store", UnfencedStore(store, tools.orders.database))
    # A class that passes unknown names on has all verbs, which a type checker cannot see.
    return cast("Store", HarmingStore(store, tools.points))


def _hear(journal: Journal, event: bgjobs.Event) -> None:
    if not isinstance(event, _TOLD):
        return
    places = [getattr(event, name) for name in _PLACES if hasattr(event, name)]
    errors = sorted({repr(one)[:_SHOWN] for one in _leaves(getattr(event, "error", None))})
    journal.write("heard", type(event).__name__, ", ".join(places), *errors)


def _leaves(error: object) -> Iterator[object]:
    """Give all errors in a group, or the one that it is, or none."""
    if isinstance(error, BaseExceptionGroup):
        for one in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from _leaves(one)
    elif error is not None:
        yield error


def open_files() -> set[str]:
    """Name the open files of this process."""
    found = set()
    for file in Path("/proc/self/fd").iterdir():
        try:
            found.add(f"{file.name} {file.readlink()}")
        except FileNotFoundError:  # the listing's own
            continue
    return found


def left_threads() -> list[str]:
    """Name the threads that go on, but for those that Trio keeps for its next run."""
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
