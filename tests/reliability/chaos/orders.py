"""What every process of a fleet is told, as one JSON argument."""

import json
import time
from typing import Any, final

from attrs import asdict, evolve, frozen

import bgjobs
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.sqlite import SQLiteStore
from tests.fixtures.databases import Database, PostgresSchema, SQLiteFile

EVERYTHING = 1_000_000
"""A `catch_up` with which no occurrence may be lost, however overloaded the machine is."""
_ZONES = ("UTC", "Asia/Kathmandu", "America/St_Johns", "Europe/Berlin", "Pacific/Chatham")
_MOST_WORKERS = 4
"""From the fifth on, scheduled jobs share a worker, so that one may run another's row."""


@final
@frozen(kw_only=True)
class Orders:
    """Where to run, what, and how long a lease lasts."""

    place: str
    """A file, or a connection string."""
    schema: str
    """Empty for SQLite."""
    journal: str
    """The file that every start of a handler is written to."""
    schedules: int = 5
    catch_up: int | None = EVERYTHING
    """None leaves the default: one late run for all that were missed."""
    work: float = 0.02
    """Seconds that a handler takes."""
    lease: float = 20.0

    def text(self) -> str:
        """Write them for a command line."""
        return json.dumps(asdict(self))

    @property
    def names(self) -> list[str]:
        """Name the scheduled jobs."""
        return [f"beat-{number}" for number in range(self.schedules)]

    @property
    def table(self) -> str:
        """Name the table of the runs; it has no constraint, so that doubles would be seen."""
        return f"{self.schema}.runs" if self.schema else "runs"

    def store(self) -> bgjobs.Store:
        """Give the store, not open; many processes share a server's hundred connections."""
        if self.schema:
            return PostgresStore(self.place, schema=self.schema, pool_size=2)
        return SQLiteStore(self.place)

    def scheduled_jobs(self, handler: Any) -> list[bgjobs.ScheduledJob]:
        """Give one job a second for each name, all with this handler."""
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


def orders_for(database: Database, journal: str, **others: Any) -> Orders:
    """Give orders to run on one of the databases that tests have."""
    if isinstance(database, PostgresSchema):
        place, schema = database.dsn, database.schema
    else:
        assert isinstance(database, SQLiteFile)
        place, schema = str(database.path), ""
    return Orders(place=place, schema=schema, journal=journal, **others)


def moment() -> float:
    """Give the clock that all processes of a machine share and that never steps back."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)


def _schedule(number: int) -> bgjobs.Schedule:
    said = bgjobs.schedule().in_timezone(_ZONES[number % len(_ZONES)])
    return (said.every_seconds(1) if number % 2 else said.every_second()).build()
