"""The upper limit on SQLite: only the necessary SQL, on the event loop's thread, over sqlite3.

The log is synced at every commit (synchronous=FULL), which is the default of bgjobs. An idle
worker checks every millisecond whether the file has changed.
"""

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import final

import anyio
from attrs import frozen

from benchmarks.databases.scratch import SQLiteScratch
from benchmarks.processes.messages import Recorder
from benchmarks.processes.parameters import Parameters
from benchmarks.systems.base import Client, Numbered, System

BATCH = 500
POLL = 0.001
# Without autoincrement the ids of rows that were moved away would be used again.
SCHEMA = """
create table jobs (
    id integer primary key autoincrement, queue text not null, kind text not null,
    state text not null default 'available', priority integer not null default 0,
    attempt integer not null default 0, run_at real not null, leased_until real,
    args text not null
) strict;
create index jobs_fetch on jobs (queue, priority, run_at, id) where state = 'available';
create table done (
    id integer primary key, kind text not null, args text not null, finished_at real not null
) strict;
"""
INSERT = "insert into jobs (queue, kind, run_at, args) values ('q', 'noop', ?, ?)"
CLAIM = f"""
update jobs set state = 'running', attempt = attempt + 1, leased_until = ? where id in (
    select id from jobs where state = 'available' and queue = 'q' and run_at <= ?
    order by priority, run_at, id limit {BATCH}
)
returning id, args
"""
DONE = """
insert into done select id, kind, args, ? from jobs where id = ? and state = 'running'
"""
DELETE = "delete from jobs where id = ?"


def make(parameters: Parameters) -> "BareSQLite":
    """Return the loop on a file of its own."""
    return BareSQLite(SQLiteScratch(Path(parameters.folder, f"{parameters.database}.db")))


@final
class BareSQLite(System):
    """The most that one Python process can do with a durable commit for each call."""

    live = "select count(*) from jobs"
    ended = "select count(*) from done"
    version = sqlite3.sqlite_version

    def __init__(self, scratch: SQLiteScratch) -> None:
        self.scratch: SQLiteScratch = scratch
        self.config = {"synchronous": "FULL", "journal": "wal", "batch": BATCH}

    async def install(self) -> None:
        with closing(self._connect()) as connection:
            connection.executescript(SCHEMA)

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[Client]:
        with closing(self._connect()) as connection:
            yield BareClient(connection)

    async def work(self, recorder: Recorder, stop: anyio.Event) -> None:
        with closing(self._connect()) as connection:
            recorder.ready()
            checked = None
            while not stop.is_set():
                [version] = connection.execute("pragma data_version").fetchone()
                if version == checked:
                    await asyncio.sleep(POLL)
                elif not await _one_batch(connection, recorder):
                    checked = version

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.scratch.file, isolation_level=None)
        for setting in ("journal_mode=wal", "synchronous=full", "busy_timeout=5000"):
            connection.execute(f"pragma {setting}")
        return connection


@final
@frozen
class BareClient:
    """One connection, used in the thread of the caller."""

    connection: sqlite3.Connection

    async def enqueue(self, i: int, t: int) -> None:
        self.connection.execute(INSERT, (time.time(), json.dumps({"i": i, "t": t})))

    async def enqueue_many(self, jobs: Sequence[Numbered]) -> None:
        now = time.time()
        rows = [(now, json.dumps({"i": i, "t": t})) for i, t in jobs]
        self.connection.execute("begin immediate")
        self.connection.executemany(INSERT, rows)
        self.connection.execute("commit")


async def _one_batch(connection: sqlite3.Connection, recorder: Recorder) -> int:
    """Claim jobs, run them as tasks and complete them; return how many there were."""
    now = time.time()
    connection.execute("begin immediate")
    rows = connection.execute(CLAIM, (now + 30, now)).fetchall()
    connection.execute("commit")
    if not rows:
        return 0

    async def noop(i: int, t: int) -> None:
        recorder.record(i, t)

    async with asyncio.TaskGroup() as tasks:
        for _, args in rows:
            tasks.create_task(noop(**json.loads(args)))
    connection.execute("begin immediate")
    connection.executemany(DONE, [(now, job) for job, _ in rows])
    connection.executemany(DELETE, [(job,) for job, _ in rows])
    connection.execute("commit")
    return len(rows)
