"""The plan of a claim: it reads what it gives and little more, whatever is stored."""

from collections.abc import Generator, Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest

from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.postgres.statements import Dialect
from tests.fixtures.postgres import fresh_postgres_store
from tests.fixtures.postgres_jobs import open_owner

_NAMES = [f"w{number:02}" for number in range(10)]
_PRIORITIES = 3
_LIMIT = 20
_FILL = """
    insert into {jobs} (id, name, payload, priority, created_at, available_at)
    select
        gen_random_uuid(), 'w' || lpad((n % 10)::text, 2, '0'), '[]', n % 3, now(),
        now() + interval '1 day' * (n % 2) - interval '1 hour' + n * interval '1 microsecond'
    from generate_series(1, 50000) as n
"""


@pytest.fixture(scope="module", params=["analyzed", "not analyzed"])
def store(request: pytest.FixtureRequest, postgres_dsn: str) -> Generator[PostgresStore]:
    with fresh_postgres_store(postgres_dsn) as store:
        with psycopg.connect(postgres_dsn, autocommit=True) as connection:
            jobs = f'"{_dialect(store).schema}".jobs'
            off = f"alter table {jobs} set (autovacuum_enabled = false)"
            connection.execute(off.encode())
            connection.execute(_FILL.format(jobs=jobs).encode())
            if request.param == "analyzed":
                connection.execute(f"analyze {jobs}".encode())
        yield store


def _dialect(store: PostgresStore) -> Dialect:
    return store._sql  # pyright: ignore[reportPrivateUsage] - its statements are looked at


def _explain(
    store: PostgresStore, dsn: str, verb: str, names: list[str]
) -> list[dict[str, Any]]:
    owner: UUID = open_owner(store)
    values = {"owner": owner, "names": names, "limit": _LIMIT, "now": None}
    with psycopg.connect(dsn) as connection:
        statement = b"explain (analyze, format json) " + _dialect(store)[verb]
        row = connection.execute(statement, values, prepare=False).fetchone()
        connection.rollback()
    assert row is not None
    return list(_nodes(row[0][0]["Plan"]))


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from _nodes(part)


def _read(node: dict[str, Any]) -> float:
    """How many rows of the jobs a node has read, those it threw away included."""
    if node.get("Relation Name") != "jobs" or "Scan" not in node["Node Type"]:
        return 0
    rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return float(rows * node["Actual Loops"])


def _check_indexes(nodes: list[dict[str, Any]], allowed: set[str]) -> None:
    assert {node["Index Name"] for node in nodes if "Index Name" in node} <= allowed
    assert [node for node in nodes if node["Node Type"] == "Seq Scan"] == []


@pytest.mark.parametrize("names", [_NAMES[:1], _NAMES], ids=["one name", "ten names"])
def test_a_claim_reads_by_the_ready_index(
    store: PostgresStore, postgres_dsn: str, names: list[str]
) -> None:
    nodes = _explain(store, postgres_dsn, "reserve", names)
    _check_indexes(nodes, {"jobs_ready", "jobs_pkey", "owners_pkey"})
    # The heads of every level, a probe for each level and each name, and what is given twice:
    # when it is locked and when it is changed.
    levels = len(names) * _PRIORITIES
    assert sum(map(_read, nodes)) <= levels * (_LIMIT + 1) + len(names) + 2 * _LIMIT
    locked = [node for node in nodes if node["Node Type"] == "LockRows"]
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in locked) == _LIMIT


def test_the_next_due_reads_one_row_a_level(store: PostgresStore, postgres_dsn: str) -> None:
    nodes = _explain(store, postgres_dsn, "next_due", _NAMES)
    _check_indexes(nodes, {"jobs_ready"})
    assert sum(map(_read, nodes)) <= len(_NAMES) * (2 * _PRIORITIES + 1)
