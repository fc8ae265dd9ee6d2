"""One process of a fleet: ``python -m tests.reliability.chaos.schedules.node SETTINGS``.

It writes "started" and measures from the first line of its stdin to the second. Then it stops,
and writes its measurements as one line of JSON.
"""

import json
import os
import resource
import sys
import time
from collections import Counter, defaultdict
from functools import partial
from typing import Any, final

import anyio
from anyio import to_thread
from attrs import asdict, evolve, frozen

import bgjobs
from bgjobs._core.timestamps import to_microseconds
from bgjobs.events import OccurrencesMissed, StoreCalled, StoreFailed, StoreResponded
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.sqlite import SQLiteStore
from tests.fixtures.databases import Database, PostgresSchema, SQLiteFile
from tests.reliability.chaos.settings import monotonic, write_line

ALL_OCCURRENCES = 1_000_000
"""A `catch_up` with which every occurrence runs, however busy the machine is."""
_ZONES = ("UTC", "Asia/Kathmandu", "America/St_Johns", "Europe/Berlin", "Pacific/Chatham")
_MOST_WORKERS = 4
"""Scheduled jobs share a worker from the fifth on, so that one might run the other's row."""


@final
@frozen(kw_only=True)
class NodeSettings:
    """Where to run, what to run, and how long a lease lasts."""

    location: str
    """A path of a file, or a connection string."""
    schema: str
    """Empty for SQLite."""
    journal: str
    """The path of the file to which every start of a handler is written."""
    schedules: int = 5
    catch_up: int | None = ALL_OCCURRENCES
    """None for the default: one late run for all missed occurrences."""
    work: float = 0.02
    """Seconds that a handler takes."""
    lease: float = 20.0

    def to_json(self) -> str:
        """Return the settings as JSON."""
        return json.dumps(asdict(self))

    @property
    def names(self) -> list[str]:
        """The names of the scheduled jobs."""
        return [f"beat-{number}" for number in range(self.schedules)]

    @property
    def table(self) -> str:
        """The table of the runs, which has no constraint, so that duplicates would be found."""
        return f"{self.schema}.runs" if self.schema else "runs"

    def store(self) -> bgjobs.Store:
        """Return a closed store with a small pool, as many processes share one server."""
        if self.schema:
            return PostgresStore(self.location, schema=self.schema, pool_size=2)
        return SQLiteStore(self.location)

    def scheduled_jobs(self, handler: Any) -> list[bgjobs.ScheduledJob]:
        """Return a job that runs every second for each name, all with this handler."""
        count = min(self.schedules, _MOST_WORKERS)
        workers = [bgjobs.worker(name=f"beat-{one}")(handler) for one in range(count)]
        jobs = [
            bgjobs.ScheduledJob(workers[min(one, count - 1)], _schedule(one), name=name)
            for one, name in enumerate(self.names)
        ]
        return (
            jobs
            if self.catch_up is None
            else [evolve(job, catch_up=self.catch_up) for job in jobs]
        )


def settings_for(database: Database, journal: str, **others: Any) -> NodeSettings:
    """Return settings for a database."""
    if isinstance(database, PostgresSchema):
        location, schema = database.dsn, database.schema
    else:
        assert isinstance(database, SQLiteFile)
        location, schema = str(database.path), ""
    return NodeSettings(location=location, schema=schema, journal=journal, **others)


def _schedule(number: int) -> bgjobs.Schedule:
    built = bgjobs.schedule().in_timezone(_ZONES[number % len(_ZONES)])
    return (built.every_seconds(1) if number % 2 else built.every_second()).build()


UNCOUNTED = (StoreCalled, StoreResponded)


class Node:
    """The application of a process, and its measurements."""

    def __init__(self, settings: NodeSettings) -> None:
        self._settings = settings
        self._journal = os.open(settings.journal, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
        self._missed: list[tuple[str, int, int]] = []
        self._errors: list[str] = []
        self._measure()

    async def run(self) -> None:
        """Run until the second line of stdin."""
        async with bgjobs.run(self._config()) as bg:
            write_line("started")
            await to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
            self._measure()
            await to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
            measured = self._measured()
            bg.stop()
        write_line(json.dumps({**measured, "missed": self._missed, "errors": self._errors}))

    def _config(self) -> bgjobs.Config:
        lease = self._settings.lease

        async def beat(context: bgjobs.JobContext) -> None:
            """Record the start in the journal, and the run in the completing transaction."""
            await self._beat(context)

        return bgjobs.Config(
            store=self._settings.store(),
            scheduled_jobs=self._settings.scheduled_jobs(beat),
            listeners=[self._on_event],
            lease=lease,
            heartbeat_interval=lease / 4,
            sweep_interval=lease / 4,
        )

    async def _beat(self, context: bgjobs.JobContext) -> None:
        began, served = monotonic(), context.occurrence
        assert served is not None
        due = to_microseconds(served.at)
        before = None if served.previous is None else to_microseconds(served.previous)
        row = [served.recurrence.name, due, before, os.getpid(), began]
        late = time.time() - due / 1e6
        # The system appends atomically, so lines of several processes do not mix.
        os.write(self._journal, f"{json.dumps([*row, late])}\n".encode())
        await anyio.sleep(self._settings.work)
        context.complete_with(partial(self._record, row))

    def _record(self, row: list[Any], connection: Any) -> None:
        values = ["null" if one is None else repr(one) for one in [*row, monotonic()]]
        connection.execute(f"insert into {self._settings.table} values ({', '.join(values)})")

    def _on_event(self, event: bgjobs.Event) -> None:
        name = type(event).__name__
        if isinstance(event, OccurrencesMissed):
            first = to_microseconds(event.first)
            self._missed.append((event.scheduled_job, first, event.count))
        if isinstance(event, StoreFailed):
            self._errors.append(f"{event.verb}: {event.error}")
        if isinstance(event, StoreResponded):
            self._verbs[event.verb] += 1
            self._seconds[event.verb] += event.seconds
        if not isinstance(event, UNCOUNTED):
            self._events[name] += 1

    def _measure(self) -> None:
        self._verbs: Counter[str] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._events: Counter[str] = Counter()
        self._begun, self._used = monotonic(), _cpu()

    def _measured(self) -> dict[str, Any]:
        return {
            "process": os.getpid(),
            "seconds": monotonic() - self._begun,
            "cpu": _cpu() - self._used,
            "verbs": dict(self._verbs),
            "verb_seconds": dict(self._seconds),
            "events": dict(self._events),
        }


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    node = Node(NodeSettings(**json.loads(sys.argv[1])))
    anyio.run(node.run, backend="trio")
