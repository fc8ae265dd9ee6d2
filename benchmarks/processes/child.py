"""The processes that are measured: ``python -m benchmarks.processes.child measure|worker PLAN ...``."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from importlib import import_module

import anyio

from benchmarks.measures.metrics import measure
from benchmarks.processes.messages import Recorder, end_with_parent, say
from benchmarks.processes.parameters import Plan
from benchmarks.systems.base import System

LOOK = 0.002


def main(arguments: Sequence[str]) -> None:
    """Measure a system, or be its worker; then be gone, whatever threads are left."""
    told_to_go = end_with_parent()
    # Every opening of a store would warn of an old SQLite; the table says which one it is.
    logging.getLogger("bgjobs.stores.sqlite").setLevel(logging.ERROR)
    role, text, *numbers = arguments
    plan = Plan.from_json(text)
    try:
        system: System = import_module(plan.maker).make(plan)
    except ImportError as error:
        say("missing", text=f"{error}")
        os._exit(0)
    if role == "worker":
        jobs, expected, every = map(int, numbers)
        recorder = Recorder(jobs, expected, every)
        _run(system, partial(_work, system, recorder, told_to_go if every else None))
    else:
        _measure(system, plan)
    os._exit(0)


def _measure(system: System, plan: Plan) -> None:
    """Measure and tidy up, and only then say how it went: the parent stops who has told."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    failure: Exception | None = None
    try:
        _run(system, partial(measure, system, plan))
    except Exception as error:  # noqa: BLE001 - whatever it is, the table has to say it
        failure = error
    finally:
        system.site.remove()
    if failure is None:
        say("done")
    else:
        cause = _cause(failure)
        text = " ".join(f"{type(cause).__name__}: {cause}".split())
        say("error", text=text, refused=isinstance(cause, AssertionError))


def _run(system: System, doing: Callable[[], Awaitable[None]]) -> None:
    options = {"use_uvloop": True} if system.uvloop else {}
    anyio.run(doing, backend=system.backend, backend_options=options)


async def _work(system: System, recorder: Recorder, told_to_go: threading.Event | None) -> None:
    stop = anyio.Event()
    async with anyio.create_task_group() as tasks:
        await tasks.start(_stop_at_signal, stop)
        if told_to_go is not None:
            say("here")
            while not (told_to_go.is_set() or stop.is_set()):
                await anyio.sleep(LOOK)
        await system.work(recorder, stop)
        tasks.cancel_scope.cancel()
    recorder.end()


async def _stop_at_signal(
    stop: anyio.Event,
    *,
    task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            stop.set()


def _cause(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


if __name__ == "__main__":
    main(sys.argv[1:])
