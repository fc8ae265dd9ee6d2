"""Writes that are repeated, or continue after their client gave up: a job runs once."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import get_args

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import EndState, Job
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Fail, Settlement, Succeed
from bgjobs.errors import StoreUnavailableError
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.types import NewJob
from bgjobs.testing.contract.steps import enqueued
from tests.fixtures.postgres import fresh_postgres_store
from tests.fixtures.postgres_jobs import open_owner, reserve_one
from tests.fixtures.postgres_locks import named, wait_until_waiting

_PATIENT = 60.0  # seconds; the wait for a unique key lasts a quarter of it
_KEYED = JobRequest("first", "[]").unique("key")
"""Stored before jobs of other names, which wait with it."""


@pytest.fixture
def name(postgres_dsn: str) -> str:
    return named(postgres_dsn)[0]


@pytest.fixture
def store(postgres_dsn: str, name: str) -> Generator[PostgresStore]:
    dsn = make_conninfo(postgres_dsn, application_name=name)
    with fresh_postgres_store(dsn, call_timeout=_PATIENT) as store:
        yield store


def _succeed(job: Job) -> Settlement:
    return Succeed(job.reservation)


def _fail(job: Job) -> Settlement:
    return Fail(reservation=job.reservation, error="no", attempts=1, crashes=0, interruptions=0)


def _run(store: PostgresStore, settle: Callable[[Job], Settlement] = _succeed) -> None:
    [job] = store.reserve(open_owner(store), ["work"], 10)
    assert not store.write(settle=[settle(job)]).lost


@pytest.mark.parametrize("settle", [_succeed, _fail])
@pytest.mark.parametrize("stored_before", [True, False])
def test_a_job_that_ends_while_a_write_of_it_waits_is_not_stored_again(
    store: PostgresStore,
    postgres_dsn: str,
    name: str,
    settle: Callable[[Job], Settlement],
    *,
    stored_before: bool,
) -> None:
    job, keyed = NewJob(new_id(), JobRequest("work", "[]")), NewJob(new_id(), _KEYED)
    if stored_before:
        store.write([job])
    with psycopg.connect(postgres_dsn) as holder, ThreadPoolExecutor(1) as thread:
        store.enqueue_in(holder, [_KEYED])
        slow = thread.submit(store.write, [job, keyed])
        wait_until_waiting(postgres_dsn, name, 1)
        store.write([job])
        _run(store, settle)
        holder.rollback()
        given = slow.result()
    assert [one.id for one in given.jobs] == [job.id, keyed.id]
    assert [one.id for one in enqueued(store)] == [keyed.id]


def test_a_job_that_ends_while_a_settling_write_waits_is_not_stored_again(
    store: PostgresStore, postgres_dsn: str, name: str
) -> None:
    job, keyed = NewJob(new_id(), JobRequest("work", "[]")), NewJob(new_id(), _KEYED)
    held = reserve_one(store, "other")
    with psycopg.connect(postgres_dsn) as holder, ThreadPoolExecutor(1) as thread:
        store.enqueue_in(holder, [_KEYED])
        slow = thread.submit(store.write, [job, keyed], [_succeed(held)])
        wait_until_waiting(postgres_dsn, name, 1)
        store.write([job])
        _run(store)
        holder.rollback()
        assert not slow.result().lost
    assert [one.id for one in enqueued(store)] == [keyed.id]
    assert store.count().succeeded == 2


def test_a_write_that_waits_for_a_unique_key_ends_on_the_server_before_it_is_given_up(
    postgres_dsn: str,
) -> None:
    name, dsn = named(postgres_dsn)
    with (
        fresh_postgres_store(dsn, call_timeout=4.0) as store,
        psycopg.connect(postgres_dsn) as holder,
    ):
        held = reserve_one(store)
        store.enqueue_in(holder, [_KEYED])
        for settled in ([], [_succeed(held)]):
            with pytest.raises(StoreUnavailableError, match="lock timeout"):
                store.write([NewJob(new_id(), _KEYED)], settled)
        wait_until_waiting(postgres_dsn, name, 0)
        assert store.find(held.id) == held
        holder.commit()
        assert len(store.write([NewJob(new_id(), _KEYED)]).jobs) == 1


def test_the_bound_on_waiting_does_not_stay_with_the_connection(postgres_dsn: str) -> None:
    with fresh_postgres_store(postgres_dsn, pool_size=1) as store:
        job = reserve_one(store)
        seen: list[object] = []

        def work(connection: psycopg.Connection[object]) -> None:
            seen.append(connection.execute("show lock_timeout").fetchone())

        assert store.complete(job.reservation, work)
    assert seen == [("0",)]


@pytest.mark.parametrize("settle", [_succeed, _fail])
def test_a_job_that_was_stored_again_ends_as_lost_and_is_deleted(
    store: PostgresStore, postgres_dsn: str, settle: Callable[[Job], Settlement]
) -> None:
    job = reserve_one(store)
    store.write(settle=[settle(job)])
    ended = store.find(job.id)
    for end in (_succeed, _fail, None):
        _store_once_more(store, postgres_dsn, job)
        [again] = store.reserve(open_owner(store), ["work"], 10)
        called: list[object] = []
        if end is None:
            assert not store.complete(again.reservation, called.append)
        else:
            assert store.write(settle=[end(again)]).lost == [again.reservation]
        assert called == []
        assert store.find(job.id) == ended
        assert store.count(["work"]).running == 0
    assert sum(store.prune(one, timedelta(0), limit=9) for one in get_args(EndState)) == 1


def _store_once_more(store: PostgresStore, dsn: str, job: Job) -> None:
    schema = store.label.split()[-1]
    columns = "(id, name, payload, created_at, available_at)"
    values = (job.id, job.name, job.payload, job.created_at, job.available_at)
    with psycopg.connect(dsn, autocommit=True) as connection:
        insert = f'insert into "{schema}".jobs {columns} values (%s, %s, %s, %s, %s)'
        connection.execute(insert.encode(), values)
