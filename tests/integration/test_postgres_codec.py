"""Values in statements and rows: arrays, times at the end of the calendar, occurrences."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from bgjobs._core.occurrences import KEY_PREFIX, Occurrence, Recurrence
from bgjobs._core.requests import JobRequest
from bgjobs.stores.json_columns import load_occurrence
from bgjobs.stores.postgres import arrays, codec
from bgjobs.stores.postgres.statements import Dialect
from bgjobs.testing.contract.steps import enqueued
from tests.fixtures.postgres import fresh_postgres_store
from tests.fixtures.postgres_jobs import enqueue

CASES: list[tuple[str, Callable[[Any], arrays.Array], Sequence[Any]]] = [
    ("uuid", arrays.uuids, [None, UUID(int=0), UUID(int=2**128 - 1), UUID(int=7)]),
    ("text", arrays.texts, ["", "plain", None, "\"{}\\'", "ä€𝄞", "\n\t", "null", "NULL"]),
    ("smallint", arrays.smallints, [0, -32767, 32767]),
    ("integer", arrays.integers, [0, 1, 2**31 - 1, -(2**31)]),
    ("bigint", arrays.bigints, [0, None, 2**63 - 1, -(2**63)]),
    (
        "timestamptz",
        arrays.timestamps,
        [
            datetime(2030, 1, 2, 3, 4, 5, 678901, UTC),
            None,
            datetime(1900, 1, 1, tzinfo=UTC),
            datetime(2030, 6, 1, tzinfo=timezone(timedelta(hours=-7))),
        ],
    ),
]


def _as_it_is(value: Any) -> Any:
    return value


@pytest.mark.parametrize(("kind", "write", "values"), CASES, ids=[case[0] for case in CASES])
def test_an_array_reads_back_as_it_was_written(
    postgres_dsn: str,
    kind: str,
    write: Callable[[Any], arrays.Array],
    values: Sequence[Any],
) -> None:
    dialect = Dialect("public", "test")
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        for some in (values, values[:1], []):
            statement = f"select unnest(%(them)s::{kind}[])".encode()
            found = dialect.run(connection, statement, {"them": write(some)})
            read = codec.exact_timestamp if kind == "timestamptz" else _as_it_is
            read_all = [None if one is None else read(one) for [one] in found]
            assert read_all == list(some)


def test_the_repr_of_an_array_hides_its_values() -> None:
    assert "secret" not in repr(arrays.texts(["secret"]))


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_timestamps_do_not_depend_on_the_time_zone_of_the_session(
    postgres_dsn: str, zone: str
) -> None:
    dsn = make_conninfo(postgres_dsn, options=f"-c TimeZone={zone}")
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    ends = [first, datetime(1999, 12, 31, 23, tzinfo=UTC), last]
    with fresh_postgres_store(dsn) as store:
        asked = [JobRequest("work", "[]").available_at(end) for end in ends]
        jobs = enqueue(store, *asked)
        assert [job.available_at for job in jobs] == ends
        assert enqueued(store) == jobs
        assert enqueued(store)[0].available_at.utcoffset() == timedelta(0)


def test_an_occurrence_of_a_newer_version_may_have_other_fields() -> None:
    found = load_occurrence('{"name":"n","schedule":"cron 0 3 * * *","at":0,"color":"red"}')
    plan = Recurrence(name="n", schedule="cron 0 3 * * *")
    assert found == Occurrence(recurrence=plan, at=datetime(1970, 1, 1, tzinfo=UTC))
    assert plan.unique_key == f"{KEY_PREFIX}n"
