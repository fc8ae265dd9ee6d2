"""Background jobs for Trio and AnyIO, over SQLite or PostgreSQL.

The floors; a module imports only from floors below it::

    testing, logs                                    tools beside the library
    runtime    run, BgJobs, supervisor, monitor      structured concurrency over a store
    config     Config, Queue                         what runs
    workers, payloads   stores: abc, sqlite, postgres
    errors, jobs, events, settlements, outcomes, backoff, clock, ids, instants, texts
"""

from typing import TYPE_CHECKING

from bgjobs import backoff, errors, events
from bgjobs.config import Config, Queue, RestartTolerance, Retention
from bgjobs.context import JobContext
from bgjobs.errors import BgJobsError
from bgjobs.events import Event, Listener
from bgjobs.jobs import (
    AttemptError,
    Discard,
    FailedJob,
    Job,
    JobRequest,
    Reservation,
    Snooze,
    SucceededJob,
)
from bgjobs.logs import log_listener
from bgjobs.outcomes import Limits
from bgjobs.runtime.app import run, serve
from bgjobs.runtime.bgjobs import BgJobs
from bgjobs.runtime.bus import EventStream
from bgjobs.runtime.queue_control import QueueControl
from bgjobs.stores.abc import Counts, Page, Store
from bgjobs.workers import Worker, worker

if TYPE_CHECKING:
    from bgjobs.stores.postgres import PostgresStore
    from bgjobs.stores.sqlite import SQLiteStore

__all__ = [
    "AttemptError",
    "BgJobs",
    "BgJobsError",
    "Config",
    "Counts",
    "Discard",
    "Event",
    "EventStream",
    "FailedJob",
    "Job",
    "JobContext",
    "JobRequest",
    "Limits",
    "Listener",
    "Page",
    "PostgresStore",
    "Queue",
    "QueueControl",
    "Reservation",
    "RestartTolerance",
    "Retention",
    "SQLiteStore",
    "Snooze",
    "Store",
    "SucceededJob",
    "Worker",
    "backoff",
    "errors",
    "events",
    "log_listener",
    "run",
    "serve",
    "worker",
]


def __getattr__(name: str) -> type[Store]:
    """Import a store, and with it its driver, when it is asked for."""
    if name == "SQLiteStore":
        from bgjobs.stores.sqlite import SQLiteStore  # noqa: PLC0415 - no driver unasked

        return SQLiteStore
    if name == "PostgresStore":
        from bgjobs.stores.postgres import PostgresStore  # noqa: PLC0415 - no driver unasked

        return PostgresStore
    raise AttributeError(f"module 'bgjobs' has no attribute {name!r}")
