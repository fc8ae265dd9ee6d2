"""Operators' verbs while other sessions write."""

from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import psycopg
import pytest

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job
from bgjobs._core.limits import Cap, RateLimit
from bgjobs.errors import DuplicateJobError
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.postgres.statements import LOCK_NAMES
from bgjobs.stores.types import Cancelled, Owner
from bgjobs.testing.contract.steps import (
    ask,
    enqueued,
    fail,
    listed,
    put_one,
    requeue,
    succeed,
)
from tests.fixtures.postgres import schema_of

T = TypeVar("T")
LEASE = timedelta(minutes=1)


def held(store: PostgresStore, count: int = 1) -> list[Job]:
    now = datetime.now(UTC)
    owner = new_owner(store)
    for _ in range(count):
        put_one(store, now=now)
    return list(store.reserve(owner, ["mail"], count))


def new_owner(store: PostgresStore) -> UUID:
    owner = Owner(new_id(), "q", "node")
    store.open_owner(owner, LEASE)
    return owner.id


@contextmanager
def beside(
    dsn: str, work: Callable[[], T], holder: psycopg.Connection[Any]
) -> Generator[Future[T]]:
    """Run `work` in a thread until it waits for a lock of `holder`."""
    with ThreadPoolExecutor(1) as threads, psycopg.connect(dsn, autocommit=True) as looking:
        future = threads.submit(work)
        blocked = b"select from pg_stat_activity where %s = any(pg_blocking_pids(pid))"
        while not looking.execute(blocked, [holder.info.backend_pid]).fetchall():
            assert not future.done()
        yield future


def test_a_rate_is_judged_by_the_time_after_the_wait_for_the_lock(
    store: PostgresStore, postgres_dsn: str
) -> None:
    """By the transaction's own time, jobs that others started meanwhile would not count."""
    put_one(store, now=datetime.now(UTC))
    owner = new_owner(store)
    cap = Cap("mail", rate=RateLimit(1, 60))
    with psycopg.connect(postgres_dsn) as other:
        other.execute(LOCK_NAMES, {"schema": schema_of(store), "names": ["mail"]})
        reserving = lambda: store.reserve(owner, ["mail"], 1, caps=[cap])  # noqa: E731 - the name says what it does
        with beside(postgres_dsn, reserving, other) as future:
            [[waited]] = other.execute("select clock_timestamp()").fetchall()
            other.rollback()
    [job] = future.result()
    assert job.reserved_at is not None
    assert job.reserved_at > waited
    [[started]] = rows(postgres_dsn, f'select started_at from "{schema_of(store)}".starts')
    assert started == job.reserved_at


def store_again(connection: psycopg.Connection[Any], schema: str, table: str) -> None:
    """Store an ended job as a live one."""
    columns = "id, name, payload, created_at, available_at"
    source = f'select {columns} from "{schema}".{table}'
    connection.execute(f'insert into "{schema}".jobs ({columns}) {source}'.encode())


def rows(dsn: str, query: str) -> list[Any]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query.encode()).fetchall()


def test_a_job_that_is_put_back_while_it_is_cancelled_ends(
    store: PostgresStore, postgres_dsn: str
) -> None:
    """It runs when waiting jobs are cancelled, and waits when running ones are."""
    first, second = held(store, 2)
    columns = "(job_id, reason, asked_at)"
    insert = f'insert into "{schema_of(store)}".cancellations {columns} values (%s, %s, now())'
    with psycopg.connect(postgres_dsn) as other:
        other.execute(insert.encode(), [first.id, "other"])
        cancelling = lambda: store.operations.cancel([first.id, second.id], Cancelled("no"))  # noqa: E731 - the name says what it does
        with beside(postgres_dsn, cancelling, other) as future:
            assert not store.write(settle=[requeue(second)]).lost
            other.rollback()
    found = future.result()
    assert (found.ended, found.asked) == ([second.id], [first.id])
    assert store.count().cancelled == 1


def test_a_job_that_is_put_back_while_it_is_cancelled_may_be_marked(
    store: PostgresStore, postgres_dsn: str
) -> None:
    """It runs when ends of waiting jobs are marked, and waits when running ones are asked."""
    store.operations.register_hooks({"mail": True})
    [mail] = held(store)
    other_worker = put_one(store, "other", now=datetime.now(UTC))
    lock = f'select from "{schema_of(store)}".jobs where id = %s for update'
    with psycopg.connect(postgres_dsn) as other:
        other.execute(lock.encode(), [other_worker.id])
        ids = [mail.id, other_worker.id]
        cancelling = lambda: store.operations.cancel(ids, Cancelled("no"))  # noqa: E731 - the name says what it does
        with beside(postgres_dsn, cancelling, other) as future:
            assert not store.write(settle=[requeue(mail)]).lost
            other.rollback()
    found = future.result()
    assert (found.ended, found.asked) == ([other_worker.id], [mail.id])
    [marked] = store.operations.marked_ends(["mail"])
    assert marked.job.id == mail.id


def test_a_job_that_was_stored_again_is_cancelled_without_a_record(
    store: PostgresStore, postgres_dsn: str
) -> None:
    """The write was slower than the job, whose recorded end is the true one."""
    [done] = held(store)
    assert not store.write(settle=[succeed(done)]).lost
    with psycopg.connect(postgres_dsn) as connection:
        store_again(connection, schema_of(store), "jobs_succeeded")
    assert store.operations.cancel([done.id], Cancelled("no")).ended == [done.id]
    counts = store.count()
    assert (counts.waiting, counts.succeeded, counts.cancelled) == (0, 1, 0)


def test_a_job_that_is_retried_while_it_is_restored_is_live_only(
    store: PostgresStore, postgres_dsn: str
) -> None:
    [job] = held(store)
    store.write(settle=[fail(job)])
    [failed] = listed(store, "failed")
    schema = schema_of(store)
    with psycopg.connect(postgres_dsn) as other:
        store_again(other, schema, "jobs_failed")
        other.execute(f'delete from "{schema}".jobs_failed'.encode())
        with beside(postgres_dsn, lambda: store.operations.restore([failed]), other) as future:
            other.commit()
    assert future.result() == []
    counts = store.count()
    assert (counts.waiting, counts.failed) == (1, 0)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_refused_duplicate_leaves_an_async_transaction_as_it_was(
    store: PostgresStore, postgres_dsn: str
) -> None:
    put_one(store, unique_key="k")
    refusing = ask(unique_key="k", refuses_duplicates=True)
    async with await psycopg.AsyncConnection.connect(postgres_dsn) as connection:
        for autocommit in (False, True):
            await connection.set_autocommit(autocommit)
            async with connection.transaction():
                with pytest.raises(DuplicateJobError):
                    await store.enqueue_in_async(connection, [ask("other"), refusing])
            await connection.commit()
    assert list(enqueued(store, "other")) == []
