"""What the function given to `complete_with` may do to its transaction."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import FailedJob, Job, SucceededJob
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Fail
from bgjobs._runtime.persistence.work_errors import WorkUnavailableError
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.postgres.errors import translated
from bgjobs.stores.types import NewJob
from bgjobs.testing.contract.steps import enqueued
from tests.fixtures.postgres import fresh_postgres_store
from tests.fixtures.postgres_jobs import enqueue, open_owner, requests, reserve_one

Work = Callable[[psycopg.Connection[Any]], object]
KEYED = JobRequest("work", "[]").unique("k")


def _reserve_keyed(store: PostgresStore) -> Job:
    enqueue(store, KEYED)
    [job] = store.reserve(open_owner(store), ["work"], 1)
    return job


@pytest.mark.parametrize("ending", ["rollback", "commit"])
def test_work_that_ends_the_transaction_and_begins_another_is_no_success(
    store: PostgresStore, ending: str
) -> None:
    job = reserve_one(store)

    def work(connection: psycopg.Connection[Any]) -> None:
        connection.execute(ending.encode())
        connection.execute("begin")
        enqueue_again(connection)

    def enqueue_again(connection: psycopg.Connection[Any]) -> None:
        store.enqueue_in(connection, requests(1, "effect"))

    with pytest.raises(StoreError, match="do not end the transaction yourself") as caught:
        store.complete(job.reservation, work)
    assert not isinstance(caught.value, StoreUnavailableError)
    assert enqueued(store, "effect") == []
    assert len(enqueue(store, *requests(1))) == 1


@pytest.mark.parametrize(
    "statements",
    [
        ["commit"],
        ["end"],
        ["abort"],
        ["commit and chain"],
        ["commit; begin"],
        ["select 1; rollback; begin; select 2"],
        ["commit", "begin", "savepoint bgjobs_complete", "select pg_current_xact_id()"],
    ],
    ids=str,
)
def test_work_that_ends_the_transaction_by_a_statement_is_no_success(
    store: PostgresStore, statements: list[str]
) -> None:
    job = _reserve_keyed(store)

    def work(connection: psycopg.Connection[Any]) -> None:
        for statement in statements:
            connection.execute(statement.encode())

    with pytest.raises(StoreError, match="do not end the transaction yourself") as caught:
        store.complete(job.reservation, work)
    assert not isinstance(caught.value, StoreUnavailableError)
    found = store.find(job.id)
    assert isinstance(found, Job)
    assert found.reservation == job.reservation
    end = Fail(reservation=job.reservation, error="no", attempts=1, crashes=0, interruptions=0)
    assert not store.write(settle=[end]).lost
    assert isinstance(store.find(job.id), FailedJob)
    assert len(enqueue(store, *requests(1))) == 1


def test_work_may_enqueue_under_the_key_of_its_own_job(store: PostgresStore) -> None:
    job = _reserve_keyed(store)
    again = [KEYED, *requests(1, "effect")]
    assert store.complete(job.reservation, lambda raw: store.enqueue_in(raw, again))
    ended = store.find(job.id)
    assert isinstance(ended, SucceededJob)
    assert ended.unique_key == "k"
    assert len(enqueued(store)) == 2


def test_work_that_closes_the_connection_fails_and_is_not_repeated(
    store: PostgresStore,
) -> None:
    job = reserve_one(store)
    with pytest.raises(StoreError, match="do not close the connection yourself") as caught:
        store.complete(job.reservation, lambda connection: connection.close())
    assert not isinstance(caught.value, StoreUnavailableError)
    assert store.find(job.id) == job


def _lose(connection: psycopg.Connection[Any]) -> None:
    connection.execute("select pg_terminate_backend(pg_backend_pid())")


def _be_taken_back(_: object) -> None:
    raise psycopg.errors.DeadlockDetected("said the server")


@pytest.mark.parametrize("work", [_lose, _be_taken_back])
def test_an_outage_inside_work_is_no_failure_of_the_handler(
    store: PostgresStore, work: Work
) -> None:
    job = reserve_one(store)
    with pytest.raises(StoreUnavailableError):
        store.complete(job.reservation, work)
    assert store.find(job.id) == job
    assert store.complete(job.reservation, lambda _: None)


def _wrapped(work: Work) -> Work:
    """Convert an outage in the work as the runtime does."""

    def inside(connection: psycopg.Connection[Any]) -> None:
        try:
            work(connection)
        except StoreUnavailableError as error:
            raise WorkUnavailableError(error) from error

    return inside


@pytest.mark.parametrize(
    "fault",
    [psycopg.errors.SerializationFailure, psycopg.errors.InvalidSqlStatementName],
)
def test_an_outage_of_enqueue_in_inside_work_is_one_of_this_store(
    store: PostgresStore, fault: type[psycopg.Error]
) -> None:
    job = reserve_one(store)

    def work(_: object) -> None:
        with translated("the store"):
            raise fault("said the server")

    with pytest.raises(StoreUnavailableError):
        store.complete(job.reservation, _wrapped(work))
    assert store.find(job.id) == job
    assert store.complete(job.reservation, lambda _: None)


def test_a_connection_lost_inside_enqueue_in_is_an_outage(store: PostgresStore) -> None:
    job = reserve_one(store)

    def work(connection: psycopg.Connection[Any]) -> None:
        with pytest.raises(psycopg.OperationalError):
            _lose(connection)
        store.enqueue_in(connection, requests(1))

    with pytest.raises(StoreUnavailableError):
        store.complete(job.reservation, _wrapped(work))
    assert store.complete(job.reservation, lambda _: None)


@pytest.mark.parametrize("keyed", [True, False])
@pytest.mark.parametrize(
    "statement",
    [
        "set transaction read only",
        "set local transaction_read_only = on",
        "set transaction_read_only = on",
        "set session characteristics as transaction read only; set transaction read only",
    ],
)
def test_work_that_makes_the_transaction_read_only_fails(
    store: PostgresStore, statement: str, keyed: bool
) -> None:
    job = _reserve_keyed(store) if keyed else reserve_one(store)

    def work(connection: psycopg.Connection[Any]) -> None:
        for part in statement.split(";"):
            connection.execute(part.encode())

    with pytest.raises(StoreError, match="made the transaction read-only") as caught:
        store.complete(job.reservation, work, [NewJob(new_id(), requests(1)[0])])
    assert not isinstance(caught.value, StoreUnavailableError)
    assert "the job has not succeeded" in str(caught.value)
    assert store.find(job.id) == job
    assert store.complete(job.reservation, lambda _: None)


def test_enqueue_in_after_work_made_the_transaction_read_only_is_an_error_of_the_work(
    store: PostgresStore,
) -> None:
    job = reserve_one(store)

    def work(connection: psycopg.Connection[Any]) -> None:
        connection.execute("set transaction read only")
        store.enqueue_in(connection, requests(1))

    with pytest.raises(WorkUnavailableError, match="25006"):
        store.complete(job.reservation, _wrapped(work))
    assert store.find(job.id) == job
    assert store.complete(job.reservation, lambda _: None)


def test_work_may_take_longer_than_a_call(postgres_dsn: str) -> None:
    with fresh_postgres_store(postgres_dsn, call_timeout=0.5) as store:
        job = reserve_one(store)
        asked = "select pg_sleep(1.5)"
        assert store.complete(job.reservation, lambda connection: connection.execute(asked))


def test_work_may_use_savepoints_and_pipelines(store: PostgresStore) -> None:
    job = reserve_one(store)

    def work(connection: psycopg.Connection[Any]) -> None:
        with pytest.raises(psycopg.errors.DivisionByZero), connection.transaction():
            connection.execute("select 1 / 0")
        with connection.pipeline():
            connection.execute("select 1")
            connection.execute("select 2")

    assert store.complete(job.reservation, work)


def test_a_division_by_zero_in_work_is_raised_as_it_is(store: PostgresStore) -> None:
    job = reserve_one(store)
    with pytest.raises(psycopg.errors.DivisionByZero):
        store.complete(job.reservation, lambda connection: connection.execute("select 1 / 0"))
    assert store.find(job.id) == job
