"""The processes that measure, and their workers: ``python -m benchmarks.processes.child``.

The arguments are ``measure PARAMETERS``, or ``worker PARAMETERS JOBS EXPECTED EVERY``.
"""

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
from benchmarks.processes.messages import Recorder, exit_with_parent, send
from benchmarks.processes.parameters import Parameters
from benchmarks.systems.base import System

POLL = 0.002


def main(arguments: Sequence[str]) -> None:
    """Measure a system, or be its worker; then exit, whichever threads are left."""
    go = exit_with_parent()
    # Every opening of a store would warn of an old SQLite, whose version is in the report.
    logging.getLogger("bgjobs.stores.sqlite").setLevel(logging.ERROR)
    role, text, *numbers = arguments
    parameters = Parameters.from_json(text)
    try:
        system: System = import_module(parameters.module).make(parameters)
    except ImportError as error:
        send("not_installed", text=f"{error}")
        os._exit(0)
    if role == "worker":
        jobs, expected, every = map(int, numbers)
        recorder = Recorder(jobs, expected, every)
        _run(system, partial(_work, system, recorder, go if every else None))
    else:
        _measure(system, parameters)
    os._exit(0)


def _measure(system: System, parameters: Parameters) -> None:
    """Measure, drop the database, and only then report: the parent then stops this process."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    failure: Exception | None = None
    try:
        _run(system, partial(measure, system, parameters))
    except Exception as error:  # noqa: BLE001 - whatever it is, the report names it
        failure = error
    finally:
        system.scratch.drop()
    if failure is None:
        send("done")
    else:
        cause = _cause(failure)
        text = " ".join(f"{type(cause).__name__}: {cause}".split())
        send("error", text=text, invalid=isinstance(cause, AssertionError))


def _run(system: System, function: Callable[[], Awaitable[None]]) -> None:
    options = {"use_uvloop": True} if system.uvloop else {}
    anyio.run(function, backend=system.backend, backend_options=options)


async def _work(system: System, recorder: Recorder, go: threading.Event | None) -> None:
    stop = anyio.Event()
    async with anyio.create_task_group() as tasks:
        await tasks.start(stop_at_signal, stop)
        if go is not None:
            send("waiting")
            while not (go.is_set() or stop.is_set()):
                await anyio.sleep(POLL)
        await system.work(recorder, stop)
        tasks.cancel_scope.cancel()
    recorder.end()


async def stop_at_signal(
    stop: anyio.Event,
    *,
    task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Set `stop` when this process gets SIGTERM or SIGINT."""
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
