"""Background jobs for Trio and AnyIO, stored in SQLite or PostgreSQL.

Modules without an underscore are public. They form layers, and import only from their own layer
and from those below::

    cli, telemetry            programs and listeners over the public names
    testing, mypy_plugin      tools for tests and for type checkers
    _runtime                  run, administer, the supervisor, queues and leases
    stores                    the port, and its adapters for SQLite and PostgreSQL
    _core, schedules, events, errors, backoff, logs
                              values and pure decisions: no event loop, no database
"""

from importlib import import_module
from typing import TYPE_CHECKING

from bgjobs import backoff, errors
from bgjobs._core.config import Config, Queue, RestartTolerance, Retention, ScheduledJob
from bgjobs._core.context import JobContext
from bgjobs._core.jobs import (
    AttemptError,
    FailedJob,
    Job,
    Reservation,
    SucceededJob,
    UnreadableJob,
)
from bgjobs._core.limits import RateLimit
from bgjobs._core.occurrences import Occurrence
from bgjobs._core.outcomes import Discard, Limits, Snooze
from bgjobs._core.requests import JobRequest
from bgjobs._core.workers import Worker, worker
from bgjobs.errors import BgJobsError
from bgjobs.stores.pages import Cursor, Page
from bgjobs.stores.port import Store
from bgjobs.stores.types import Counts

if TYPE_CHECKING:
    from bgjobs import events, schedules
    from bgjobs._core.clock import Clock
    from bgjobs._core.timeline import TimelineEntry, timeline
    from bgjobs._runtime.admin.admin import Admin, Schema
    from bgjobs._runtime.admin.imports import Imported
    from bgjobs._runtime.admin.jobs import State
    from bgjobs._runtime.admin.schedules import ScheduleState
    from bgjobs._runtime.admin.unhandled import UnhandledJobs
    from bgjobs._runtime.app import administer, run, serve
    from bgjobs._runtime.bus import EventStream
    from bgjobs._runtime.client import BgJobs
    from bgjobs._runtime.queues.state import QueueControl
    from bgjobs._runtime.scheduled.handle import ScheduledJobControl
    from bgjobs.events import Event, Listener
    from bgjobs.logs import log_listener
    from bgjobs.schedules import Schedule, every, schedule
    from bgjobs.stores.operations import (
        Cancellation,
        Finding,
        LiveOwner,
        Migration,
        OperatedStore,
        operations_of,
    )
    from bgjobs.stores.postgres import PostgresStore
    from bgjobs.stores.sqlite import SQLiteStore

    __version__: str

__all__ = [
    "Admin",
    "AttemptError",
    "BgJobs",
    "BgJobsError",
    "Cancellation",
    "Clock",
    "Config",
    "Counts",
    "Cursor",
    "Discard",
    "Event",
    "EventStream",
    "FailedJob",
    "Finding",
    "Imported",
    "Job",
    "JobContext",
    "JobRequest",
    "Limits",
    "Listener",
    "LiveOwner",
    "Migration",
    "Occurrence",
    "OperatedStore",
    "Page",
    "PostgresStore",
    "Queue",
    "QueueControl",
    "RateLimit",
    "Reservation",
    "RestartTolerance",
    "Retention",
    "SQLiteStore",
    "Schedule",
    "ScheduleState",
    "ScheduledJob",
    "ScheduledJobControl",
    "Schema",
    "Snooze",
    "State",
    "Store",
    "SucceededJob",
    "TimelineEntry",
    "UnhandledJobs",
    "UnreadableJob",
    "Worker",
    "administer",
    "backoff",
    "errors",
    "events",
    "every",
    "log_listener",
    "operations_of",
    "run",
    "schedule",
    "schedules",
    "serve",
    "timeline",
    "worker",
]

# These are imported on first use: a module that only declares workers needs no event loop, and
# a program needs only the driver of its own database.
_LATER = {
    "Admin": "bgjobs._runtime.admin.admin",
    "BgJobs": "bgjobs._runtime.client",
    "Cancellation": "bgjobs.stores.operations",
    "Clock": "bgjobs._core.clock",
    "Event": "bgjobs.events",
    "EventStream": "bgjobs._runtime.bus",
    "Finding": "bgjobs.stores.operations",
    "Imported": "bgjobs._runtime.admin.imports",
    "Listener": "bgjobs.events",
    "LiveOwner": "bgjobs.stores.operations",
    "Migration": "bgjobs.stores.operations",
    "OperatedStore": "bgjobs.stores.operations",
    "PostgresStore": "bgjobs.stores.postgres",
    "QueueControl": "bgjobs._runtime.queues.state",
    "SQLiteStore": "bgjobs.stores.sqlite",
    "Schedule": "bgjobs.schedules",
    "ScheduleState": "bgjobs._runtime.admin.schedules",
    "ScheduledJobControl": "bgjobs._runtime.scheduled.handle",
    "Schema": "bgjobs._runtime.admin.admin",
    "State": "bgjobs._runtime.admin.jobs",
    "TimelineEntry": "bgjobs._core.timeline",
    "UnhandledJobs": "bgjobs._runtime.admin.unhandled",
    "administer": "bgjobs._runtime.app",
    "every": "bgjobs.schedules",
    "log_listener": "bgjobs.logs",
    "operations_of": "bgjobs.stores.operations",
    "run": "bgjobs._runtime.app",
    "schedule": "bgjobs.schedules",
    "serve": "bgjobs._runtime.app",
    "timeline": "bgjobs._core.timeline",
}

if not TYPE_CHECKING:  # type checkers would conclude that every name exists

    def __getattr__(name: str) -> object:
        """Import a name on its first use."""
        if name in ("events", "schedules"):
            return import_module(f"bgjobs.{name}")
        if name == "__version__":
            return import_module("importlib.metadata").version("bgjobs")
        if name not in _LATER:
            raise AttributeError(f"module 'bgjobs' has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_LATER[name]), name)
        return value

    def __dir__() -> list[str]:
        """List all names, including those that are not imported yet."""
        return sorted({*globals(), *__all__, "__version__"})
