"""An application to run on any server, and the check that its jobs have one effect each."""

import json
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import psycopg
from attrs import frozen
from psycopg import sql
from psycopg_pool import ConnectionPool

import bgjobs
from bgjobs.backoff import IMMEDIATE
from bgjobs.events import (
    ChildCrashed,
    Event,
    OwnerDied,
    ReservationLost,
    StoreFailed,
)
from bgjobs.testing import Recorder
from tests.fixtures.postgres import execute
from tests.fixtures.stores import migrated

PATIENCE = 120.0
"""Seconds that a check may take."""
TEXT = "naïve café €uro 日本語 🎉 \\ ' \" {} %s"
"""Characters of one to four bytes, and those that some settings treat in another way."""
AT = datetime(2001, 2, 3, 4, 5, 6, 789012, tzinfo=UTC)
"""A time whose date is read differently in other styles."""
_SCHEMA = "bgjobs"


@bgjobs.worker
async def effect(context: bgjobs.JobContext, number: int, text: str = TEXT) -> None:
    """Write a row in the transaction that completes the job."""
    write_row(context, number, text)


@bgjobs.worker
async def flaky(context: bgjobs.JobContext, number: int) -> None:
    """Fail once, then write a row."""
    if context.attempt == 0:
        raise ValueError(TEXT)
    write_row(context, number, TEXT)


def write_row(context: bgjobs.JobContext, number: int, text: str) -> None:
    """Write a row in the transaction that completes the job."""

    def write(connection: psycopg.Connection[Any]) -> None:
        statement = sql.SQL("insert into {} values (%s, %s)").format(table())
        connection.execute(statement, [number, text])

    context.complete_with(write)


def table() -> sql.Identifier:
    """Return the full name of the table of the effects."""
    return sql.Identifier(_SCHEMA, "effects")


def make_table(dsn: str) -> None:
    """Create the schema, with a table for the effects, to which all roles may write."""
    with migrated(bgjobs.PostgresStore(dsn, schema=_SCHEMA)):
        execute(dsn, f"create table {_SCHEMA}.effects (number int, text text)")


def effects(dsn: str) -> list[int]:
    """Return the numbers of all effects, including duplicates."""
    with psycopg.connect(dsn, client_encoding="UTF8") as connection:
        found = connection.execute(sql.SQL("select number, text from {}").format(table()))
        rows = found.fetchall()
    assert {text for _, text in rows} <= {TEXT}
    return sorted(number for number, _ in rows)


def config(given: Any, recorder: Recorder, **settings: Any) -> bgjobs.Config:
    """Return the configuration of an application with one queue."""
    queue = {"poll_interval": 0.5, "concurrency": 4, **settings.pop("queue", {})}
    store = settings.pop("store", {})
    return bgjobs.Config(
        store=bgjobs.PostgresStore(given, schema=_SCHEMA, pool_size=3, **store),
        queues=[bgjobs.Queue("all", workers=[effect, flaky], backoff=IMMEDIATE, **queue)],
        listeners=[recorder],
        **settings,
    )


@asynccontextmanager
async def running(
    given: Any, recorder: Recorder | None = None, **settings: Any
) -> AsyncGenerator[bgjobs.BgJobs]:
    """Run an application during the block, with a deadline."""
    with anyio.fail_after(PATIENCE):
        async with bgjobs.run(config(given, recorder or Recorder(), **settings)) as bg:
            yield bg


async def check_work(bg: bgjobs.BgJobs, dsn: str, *, first: int = 0) -> None:
    """Run jobs of all kinds, and check that each has one effect and its stored values."""
    began = datetime.now(UTC)
    requests = [
        effect.request(first),
        effect.request(first + 1).available_at(AT),
        effect.request(first + 2).available_in(seconds=0.2),
        effect.request(first + 3).unique(f"{TEXT}{first}").with_metadata(text=TEXT),
        flaky.request(first + 4),
    ]
    jobs = await bg.enqueue_many(requests)
    assert jobs[1].available_at == AT
    for job in jobs:
        done = await bg.wait_for(job)
        assert isinstance(done, bgjobs.SucceededJob), done
        assert done.payload == job.payload
        assert (done.crashes, done.interruptions) == (0, 0)
        # The server and this process have the same clock.
        assert began - timedelta(seconds=5) < done.created_at <= done.succeeded_at
        assert done.succeeded_at < datetime.now(UTC) + timedelta(seconds=5)
    assert effects(dsn)[first:] == [first + number for number in range(5)]


_ERROR_EVENTS = ChildCrashed | OwnerDied | ReservationLost | StoreFailed


@frozen(kw_only=True)
class PooledSettings:
    """Where to run and how; passed as JSON on the command line."""

    dsn: str
    schema: str
    folder: str
    callers_pool: bool
    jobs: int
    """The number of jobs that succeed before it ends."""
    settings: dict[str, Any]
    """Arguments of `Config` that differ from the defaults."""


@contextmanager
def _opened(given: PooledSettings) -> Generator[bgjobs.PostgresStore]:
    """Return a store over the pool that the settings name."""
    if not given.callers_pool:
        yield bgjobs.PostgresStore(given.dsn, schema=given.schema, pool_size=2)
        return
    # With its defaults, this pool prepares a statement when it is run for the sixth time.
    with ConnectionPool(given.dsn, min_size=1, max_size=2, open=True) as pool:
        yield bgjobs.PostgresStore(pool, schema=given.schema)


async def run_pooled(given: PooledSettings) -> None:
    """Run jobs until all have succeeded."""
    folder, errors = Path(given.folder), list[str]()

    @bgjobs.worker(name="hold")
    async def hold(context: bgjobs.JobContext) -> None:
        with (folder / "begun").open("a") as journal:
            journal.write(f"{context.job.id}\n")  # one call, so that lines do not mix
        while not (folder / "release").exists():
            await anyio.sleep(0.05)
        context.complete_with(write)

    def write(connection: psycopg.Connection[Any]) -> None:
        for _ in range(10):
            connection.execute("select count(*) from pg_catalog.pg_class where oid = %s", (1,))

    def listen(event: Event) -> None:
        if isinstance(event, _ERROR_EVENTS):
            errors.append(repr(event))

    with _opened(given) as store:
        queue = bgjobs.Queue("all", workers=[hold], concurrency=given.jobs // 2)
        config = bgjobs.Config(
            store=store, queues=[queue], listeners=[listen], **given.settings
        )
        async with bgjobs.run(config) as bg:
            while (await bg.count()).succeeded < given.jobs:
                await anyio.sleep(0.05)
    sys.stdout.write(json.dumps(errors))


if __name__ == "__main__":
    anyio.run(run_pooled, PooledSettings(**json.loads(sys.argv[1])), backend="trio")
