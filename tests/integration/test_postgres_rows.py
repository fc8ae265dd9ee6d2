"""What stands in a row: instants at the end of the calendar, texts that cannot be read."""

from collections.abc import Generator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from bgjobs.jobs import FailedJob, JobRequest
from bgjobs.occurrences import KEY_PREFIX, Occurrence, Plan
from bgjobs.settlements import Fail, Requeue
from bgjobs.stores.occurrences import load_occurrence
from bgjobs.stores.postgres import PostgresStore
from tests.fixtures.postgres import fresh_postgres_store
from tests.fixtures.postgres_jobs import enqueue, open_owner, requests

_LAST = datetime.max.replace(tzinfo=UTC)


@pytest.fixture
def store(postgres_dsn: str) -> Generator[PostgresStore]:
    with fresh_postgres_store(postgres_dsn) as store:
        yield store


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_instants_do_not_depend_on_the_time_zone_of_the_session(
    postgres_dsn: str, zone: str
) -> None:
    dsn = make_conninfo(postgres_dsn, options=f"-c TimeZone={zone}")
    ends = [datetime.min.replace(tzinfo=UTC), datetime(1999, 12, 31, 23, tzinfo=UTC), _LAST]
    with fresh_postgres_store(dsn) as store:
        asked = [JobRequest("work", "[]").available_at(end) for end in ends]
        jobs = enqueue(store, *asked)
        assert [job.available_at for job in jobs] == ends
        assert store.get_enqueued() == jobs
        assert store.get_enqueued()[0].available_at.utcoffset() == timedelta(0)


def _set(store: PostgresStore, dsn: str, column: str, text: str) -> None:
    schema = store.label.split()[-1]
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f'update "{schema}".jobs set {column} = %s'.encode(), [text])


def test_an_instant_that_no_datetime_can_say_is_the_nearest(
    store: PostgresStore, postgres_dsn: str
) -> None:
    enqueue(store, *requests(1))
    _set(store, postgres_dsn, "available_at", "infinity")
    assert store.get_enqueued()[0].available_at == _LAST


_UNREADABLE = [
    "",
    "{",
    "[1]",
    '{"v": 3}',
    '[[0, "yesterday", "x"]]',
    '[[0, "2031-01-01", "x"]]',
]


@pytest.mark.parametrize("text", _UNREADABLE)
def test_errors_that_cannot_be_read_neither_stop_the_queue_nor_get_lost(
    store: PostgresStore, postgres_dsn: str, text: str
) -> None:
    enqueue(store, *requests(1))
    _set(store, postgres_dsn, "errors", text)
    [job] = store.reserve(open_owner(store), ["work"], 1)
    assert [one.error for one in job.errors] == [text]
    back = Requeue(
        reservation=job.reservation, attempts=1, crashes=0, interruptions=0, errors=job.errors
    )
    assert not store.write(settle=[back]).lost
    [again] = store.reserve(open_owner(store), ["work"], 1)
    assert again.errors == job.errors
    end = Fail(
        reservation=again.reservation,
        error="no",
        attempts=2,
        crashes=0,
        interruptions=0,
        errors=again.errors,
    )
    assert not store.write(settle=[end]).lost
    ended = store.find(job.id)
    assert isinstance(ended, FailedJob)
    assert ended.errors == job.errors


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"v": 3}', '{"name": 1, "at": "noon"}'])
def test_an_occurrence_that_cannot_be_read_does_not_stop_the_queue(
    store: PostgresStore, postgres_dsn: str, text: str
) -> None:
    enqueue(store, *requests(2))
    _set(store, postgres_dsn, "occurrence", text)
    jobs = store.reserve(open_owner(store), ["work"], 2)
    assert [job.occurrence for job in jobs] == [None, None]
    schema = store.label.split()[-1]
    with psycopg.connect(postgres_dsn) as connection:
        found = connection.execute(f'select occurrence from "{schema}".jobs'.encode())
        assert found.fetchall() == [(text,)] * 2


def test_an_occurrence_of_a_newer_version_may_say_more_and_less() -> None:
    found = load_occurrence('{"name":"n","schedule":"cron 0 3 * * *","at":0,"color":"red"}')
    plan = Plan(name="n", schedule="cron 0 3 * * *")
    assert found == Occurrence(plan=plan, at=datetime(1970, 1, 1, tzinfo=UTC))
    assert plan.unique_key == f"{KEY_PREFIX}n"
