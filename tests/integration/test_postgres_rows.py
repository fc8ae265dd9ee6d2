"""Values in rows: times at the end of the calendar, occurrences of other versions."""

from collections.abc import Generator
from datetime import UTC, datetime, timedelta

import pytest
from psycopg.conninfo import make_conninfo

from bgjobs._core.occurrences import KEY_PREFIX, Occurrence, Recurrence
from bgjobs._core.requests import JobRequest
from bgjobs.stores.json_columns import load_occurrence
from bgjobs.stores.postgres import PostgresStore
from tests.fixtures.postgres import fresh_postgres_store
from tests.fixtures.postgres_jobs import enqueue

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


def test_an_occurrence_of_a_newer_version_may_say_more_and_less() -> None:
    found = load_occurrence('{"name":"n","schedule":"cron 0 3 * * *","at":0,"color":"red"}')
    plan = Recurrence(name="n", schedule="cron 0 3 * * *")
    assert found == Occurrence(recurrence=plan, at=datetime(1970, 1, 1, tzinfo=UTC))
    assert plan.unique_key == f"{KEY_PREFIX}n"
