"""Background jobs for Trio and AnyIO, stored in SQLite or PostgreSQL.

Modules without an underscore are public. They form layers, and import only from their own layer
and from those below::

    cli                       a program over the public names
    telemetry, web            a listener and a web page over the public names
    testing, mypy_plugin      tools for tests and for type checkers
    _runtime                  run, connect, the supervisor, queues and leases
    stores                    the port, and its adapters for SQLite and PostgreSQL
    _core, schedules, events, errors, backoff, logs
                              values and pure decisions: no event loop, no database
"""

from importlib import import_module
from typing import TYPE_CHECKING

from bgjobs import backoff, errors
from bgjobs._core.audit import AuditEntry
from bgjobs._core.config import Config, Queue, RestartTolerance, ScheduledJob
from bgjobs._core.context import JobContext
from bgjobs._core.generics import NotKept
from bgjobs._core.history import HistoryEntry, PastEnd, PastReservation
from bgjobs._core.jobs import (
    AnyJob,
    AttemptError,
    CancelledJob,
    EndedJob,
    FailedJob,
    Job,
    Owner,
    Reservation,
    State,
    SucceededJob,
    UnreadableJob,
)
from bgjobs._core.limits import RateLimit
from bgjobs._core.middleware import Middleware
from bgjobs._core.occurrences import Occurrence
from bgjobs._core.outcomes import Discard, Limits, Snooze
from bgjobs._core.progress import Progress
from bgjobs._core.requests import JobRequest
from bgjobs._core.retention import Retention
from bgjobs._core.workers import Worker, worker
from bgjobs.errors import BgJobsError
from bgjobs.stores.filters import JobFilter
from bgjobs.stores.pages import Cursor, Listing, Page
from bgjobs.stores.port import Store
from bgjobs.stores.types import Counts

if TYPE_CHECKING:
    from bgjobs import events, schedules
    from bgjobs._core.activity import Activity, RunningProcess
    from bgjobs._core.clock import Clock
    from bgjobs._core.job_tree import JobTree
    from bgjobs._core.timeline import TimelineEntry, timeline
    from bgjobs._runtime.admin.admin import Admin, Schema
    from bgjobs._runtime.admin.imports import Imported
    from bgjobs._runtime.admin.schedules import ScheduleState
    from bgjobs._runtime.admin.unhandled import UnhandledJobs
    from bgjobs._runtime.app import run, serve
    from bgjobs._runtime.bg_jobs import BgJobs
    from bgjobs._runtime.bus import EventStream
    from bgjobs._runtime.client import Client
    from bgjobs._runtime.connection import connect
    from bgjobs._runtime.health import Health
    from bgjobs._runtime.nurseries.child import ChildJob
    from bgjobs._runtime.nurseries.nursery import JobNursery
    from bgjobs._runtime.queues.handle import QueueControl
    from bgjobs._runtime.scheduled.handle import ScheduleControl, ScheduledJobControl
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
    "Activity",
    "Admin",
    "AnyJob",
    "AttemptError",
    "AuditEntry",
    "BgJobs",
    "BgJobsError",
    "Cancellation",
    "CancelledJob",
    "ChildJob",
    "Client",
    "Clock",
    "Config",
    "Counts",
    "Cursor",
    "Discard",
    "EndedJob",
    "Event",
    "EventStream",
    "FailedJob",
    "Finding",
    "Health",
    "HistoryEntry",
    "Imported",
    "Job",
    "JobContext",
    "JobFilter",
    "JobNursery",
    "JobRequest",
    "JobTree",
    "Limits",
    "Listener",
    "Listing",
    "LiveOwner",
    "Middleware",
    "Migration",
    "NotKept",
    "Occurrence",
    "OperatedStore",
    "Owner",
    "Page",
    "PastEnd",
    "PastReservation",
    "PostgresStore",
    "Progress",
    "Queue",
    "QueueControl",
    "RateLimit",
    "Reservation",
    "RestartTolerance",
    "Retention",
    "RunningProcess",
    "SQLiteStore",
    "Schedule",
    "ScheduleControl",
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
    "backoff",
    "connect",
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
    "Activity": "bgjobs._core.activity",
    "Admin": "bgjobs._runtime.admin.admin",
    "BgJobs": "bgjobs._runtime.bg_jobs",
    "Cancellation": "bgjobs.stores.operations",
    "ChildJob": "bgjobs._runtime.nurseries.child",
    "Client": "bgjobs._runtime.client",
    "Clock": "bgjobs._core.clock",
    "Event": "bgjobs.events",
    "EventStream": "bgjobs._runtime.bus",
    "Finding": "bgjobs.stores.operations",
    "Health": "bgjobs._runtime.health",
    "Imported": "bgjobs._runtime.admin.imports",
    "Listener": "bgjobs.events",
    "JobNursery": "bgjobs._runtime.nurseries.nursery",
    "JobTree": "bgjobs._core.job_tree",
    "LiveOwner": "bgjobs.stores.operations",
    "Migration": "bgjobs.stores.operations",
    "OperatedStore": "bgjobs.stores.operations",
    "PostgresStore": "bgjobs.stores.postgres",
    "QueueControl": "bgjobs._runtime.queues.handle",
    "RunningProcess": "bgjobs._core.activity",
    "SQLiteStore": "bgjobs.stores.sqlite",
    "Schedule": "bgjobs.schedules",
    "ScheduleControl": "bgjobs._runtime.scheduled.handle",
    "ScheduleState": "bgjobs._runtime.admin.schedules",
    "ScheduledJobControl": "bgjobs._runtime.scheduled.handle",
    "Schema": "bgjobs._runtime.admin.admin",
    "TimelineEntry": "bgjobs._core.timeline",
    "UnhandledJobs": "bgjobs._runtime.admin.unhandled",
    "connect": "bgjobs._runtime.connection",
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
