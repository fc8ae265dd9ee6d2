"""An application for test_pgbouncer: ``python -m tests.field.pooled_worker SETTINGS``.

Its jobs are held until a file is there. It writes a line to its journal for each run that
begins and, at the end, tells all that went wrong.
"""

import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import psycopg
from attrs import frozen
from psycopg_pool import ConnectionPool

import bgjobs
from bgjobs.events import (
    ChildCrashed,
    Event,
    OwnerDied,
    ReservationLost,
    StoreFailed,
)

_TROUBLE = ChildCrashed | OwnerDied | ReservationLost | StoreFailed


@frozen(kw_only=True)
class Orders:
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
def opened(commands: Orders) -> Generator[bgjobs.PostgresStore]:
    """Return a store over the pool that the settings name."""
    if not commands.callers_pool:
        yield bgjobs.PostgresStore(commands.dsn, schema=commands.schema, pool_size=2)
        return
    # With its defaults, this pool prepares a statement when it is run for the sixth time.
    with ConnectionPool(commands.dsn, min_size=1, max_size=2, open=True) as pool:
        yield bgjobs.PostgresStore(pool, schema=commands.schema)


async def main(commands: Orders) -> None:
    """Run jobs until all have succeeded."""
    folder, trouble = Path(commands.folder), list[str]()

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
        if isinstance(event, _TROUBLE):
            trouble.append(repr(event))

    with opened(commands) as store:
        queue = bgjobs.Queue("all", workers=[hold], concurrency=commands.jobs // 2)
        config = bgjobs.Config(
            store=store, queues=[queue], listeners=[listen], **commands.settings
        )
        async with bgjobs.run(config) as bg:
            while (await bg.count()).succeeded < commands.jobs:
                await anyio.sleep(0.05)
    sys.stdout.write(json.dumps(trouble))


if __name__ == "__main__":
    anyio.run(main, Orders(**json.loads(sys.argv[1])), backend="trio")
