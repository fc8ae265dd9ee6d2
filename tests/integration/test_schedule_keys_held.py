"""An open transaction of another program that holds the key of a schedule."""

from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import psycopg
import pytest
from anyio import fail_after, sleep, to_thread

import bgjobs
from bgjobs import ScheduledJob, every
from bgjobs._core.ids import new_id
from bgjobs._core.occurrences import Occurrence
from bgjobs.stores.json_columns import dump_occurrence
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.postgres import writes as module
from bgjobs.stores.types import NewJob, Written
from tests.fixtures.postgres import fresh_postgres_store, schema_of
from tests.fixtures.postgres_locks import named, wait_until_waiting

pytestmark = pytest.mark.anyio

PATIENCE = 60.0  # seconds
HOUR = timedelta(hours=1)
JOBS = 30


@bgjobs.worker
async def add(number: int) -> None: ...


@bgjobs.worker
async def tidy() -> None: ...


def hourly(*names: str) -> list[ScheduledJob]:
    return [ScheduledJob(tidy, every(hours=1), name=name) for name in names]


@contextmanager
def held(dsn: str, store: PostgresStore, *names: str) -> Generator[psycopg.Connection[Any]]:
    """Keep the keys of these schedules locked by an open transaction."""
    insert = (
        f'insert into "{schema_of(store)}".jobs'
        " (id, name, payload, created_at, available_at, unique_key)"
        " values (%s, 'tidy', '{}', now(), now() + interval '1 day', %s)"
    )
    with psycopg.connect(dsn) as connection:
        for name in names:
            connection.execute(insert.encode(), [new_id(), f"schedule:{name}"])
        yield connection
        connection.rollback()


class Writes:
    """The writes of one store: the jobs and settlements of each, and its success.

    All jobs pass `PostgresStore.write`, as behind a pooler.
    """

    def __init__(self, store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[tuple[Sequence[NewJob], Sequence[Any]]] = []
        self.failed = 0
        self._write = store.write
        monkeypatch.setattr(store, "write", self.write)
        monkeypatch.setattr(PostgresStore, "nonblocking", None)

    def write(
        self, enqueue: Sequence[NewJob] = (), settle: Sequence[Any] = (), **more: Any
    ) -> Written:
        self.made.append((enqueue, settle))
        try:
            return self._write(enqueue, settle, **more)
        except bgjobs.errors.StoreError:
            self.failed += any(new.request.name == "add" for new in enqueue) or bool(settle)
            raise

    def of_users(self) -> list[Sequence[NewJob]]:
        return [jobs for jobs, _ in self.made if any(one.request.name == "add" for one in jobs)]

    def of_schedules(self) -> list[Sequence[NewJob]]:
        return [
            jobs for jobs, _ in self.made if any(one.request.name == "tidy" for one in jobs)
        ]


@asynccontextmanager
async def running(store: PostgresStore, *schedules: str) -> AsyncGenerator[bgjobs.BgJobs]:
    queue = bgjobs.Queue("q", workers=[add])
    config = bgjobs.Config(store=store, queues=[queue], scheduled_jobs=hourly(*schedules))
    with fail_after(PATIENCE):
        async with bgjobs.run(config) as bg:
            yield bg


@contextmanager
def closed_store(dsn: str, **options: Any) -> Generator[PostgresStore]:
    with fresh_postgres_store(dsn, **options) as store:
        store.close()
        yield store


async def planned(bg: bgjobs.BgJobs, name: str) -> None:
    while await bg.scheduled_job(name).occurrence() is None:
        await sleep(0.01)


async def test_neither_users_nor_ends_nor_other_schedules_wait_for_a_held_key(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BRIEF_WAIT", PATIENCE)
    name, dsn = named(postgres_dsn)
    with (
        closed_store(dsn, call_timeout=10 * PATIENCE) as store,
        held(postgres_dsn, store, "held") as holder,
    ):
        writes = Writes(store, monkeypatch)
        waiting = partial(wait_until_waiting, postgres_dsn, name, 1)
        async with running(store, "held", "free") as bg:
            await to_thread.run_sync(waiting)
            for number in range(JOBS):
                await bg.enqueue(add.request(number))
            await planned(bg, "free")
            await bg.drain()
            assert (await bg.count(["add"])).succeeded == JOBS
            await to_thread.run_sync(waiting)
            holder.rollback()
            await planned(bg, "held")
        assert [len(jobs) for jobs in writes.of_users()] == [1] * JOBS
        assert all(not settled for jobs, settled in writes.made if jobs)
        assert [len(jobs) for jobs in writes.of_schedules()] == [1, 1]


async def test_the_only_connection_is_blocked_only_briefly(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("one", "two", "three")
    with (
        closed_store(postgres_dsn, pool_size=1, call_timeout=10 * PATIENCE) as store,
        held(postgres_dsn, store, *names) as holder,
    ):
        writes = Writes(store, monkeypatch)
        async with running(store, *names) as bg:
            for number in range(JOBS):
                await bg.enqueue(add.request(number))
            await bg.drain()
            assert (await bg.count(["add"])).succeeded == JOBS
            assert len(writes.of_users()) == JOBS
            assert not writes.failed
            holder.rollback()
            for name in names:
                await planned(bg, name)


async def test_a_run_without_the_key_of_its_schedule_stores_no_next_occurrence(
    postgres_dsn: str,
) -> None:
    """The next occurrence would have to wait for the key, and other settlements with it."""
    with closed_store(postgres_dsn) as store, held(postgres_dsn, store, "held") as holder:
        async with running(store, "held") as bg:
            control = bg.scheduled_job("held")
            past = Occurrence(recurrence=control.config.recurrence, at=datetime.now(UTC) - HOUR)
            insert = (
                f'insert into "{schema_of(store)}".jobs'
                " (id, name, payload, created_at, available_at, occurrence)"
                " values (%s, 'tidy', '{}', now(), now(), %s)"
            )
            forged = new_id()
            with psycopg.connect(postgres_dsn, autocommit=True) as connection:
                connection.execute(insert.encode(), [forged, dump_occurrence(past)])
            ended = await bg.wait_for(forged)
            assert isinstance(ended, bgjobs.SucceededJob)
            assert await control.occurrence() is None
            holder.rollback()
            await planned(bg, "held")
