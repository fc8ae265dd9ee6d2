"""What is read about the children of one parent does not grow with the jobs of others."""

import json
import sqlite3
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from bgjobs._core.hooks import HOOK_OWNER
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.testing.contract.nurseries import ParentStore, bear
from bgjobs.testing.contract.steps import NOW, fail, hold, put_one, requeue, start, take
from tests.fixtures.postgres import execute, fresh_postgres_store, schema_of
from tests.fixtures.sqlite import fresh_sqlite_store
from tests.integration.postgres_plans import explained, explained_in_general

_OTHERS = 20_000
_INDEXED = (
    *("lock_children", "ask_children", "look", "list_children", "find_parent"),
    "get_owners",
)
_BOUND: dict[str, Any] = {
    "reason": "no", "by": None, "author": None, "now": 2_000_000_000_000_000, "only": None,
    "owner": str(HOOK_OWNER), "hook_owner": str(HOOK_OWNER),
    "after": None, "limit": 10, "since": 0, "form": "*",
}  # fmt: skip


def _family(store: ParentStore) -> UUID:
    """Store a parent with children of each state among others; return its id."""
    held = hold(store)
    bear(store, held.reservation, *map(str, range(10)))
    taken = take(store, start(store), ["part"], 5)
    store.write(settle=[*map(fail, taken[:2]), *map(requeue, taken[2:4])], now=NOW)
    put_one(store)
    store.nurseries.record_waits([held.reservation], now=NOW)
    return held.id


@pytest.fixture
def sqlite_family(sqlite_path: Path) -> Generator[tuple[SQLiteStore, sqlite3.Connection, UUID]]:
    with (
        fresh_sqlite_store(sqlite_path, synchronous="NORMAL") as store,
        closing(sqlite3.connect(sqlite_path)) as raw,
    ):
        yield store, raw, _family(store)


@pytest.mark.parametrize("name", [*_INDEXED, "find_ended_parents", "find_closing"])
def test_sqlite_reads_by_index(
    sqlite_family: tuple[SQLiteStore, sqlite3.Connection, UUID], name: str
) -> None:
    store, raw, parent = sqlite_family
    raw.execute("analyze")
    [statement] = store._executor.sql[name]
    values = {**_BOUND, "id": str(parent), "ids": json.dumps([str(parent)])}
    rows = raw.execute(f"explain query plan {statement}", values).fetchall()
    fine = (
        *("VIRTUAL TABLE", "jobs_children", "SCAN ended", "(subquery", "bgjobs_owners"),
        *("SCAN owner", "SCAN waiting"),  # few, and each looks up its jobs
    )
    scans = [row[3] for row in rows if "SCAN" in row[3]]
    assert [one for one in scans if not any(each in one for each in fine)] == [], rows
    assert "TEMP B-TREE" not in str(rows) or name != "list_children"


@pytest.fixture(scope="module")
def postgres_family(postgres_dsn: str) -> Generator[tuple[PostgresStore, UUID]]:
    with fresh_postgres_store(postgres_dsn) as store:
        parent, schema = _family(store), f'"{schema_of(store)}"'
        ended = "errors, attempts, crashes, interruptions, reservations"
        columns = "id, name, payload, priority, created_at, available_at"
        row = "gen_random_uuid(), 'x', '[]', 0, now(), now()"
        many = f"from generate_series(1, {_OTHERS})"
        execute(
            postgres_dsn,
            f"insert into {schema}.jobs ({columns}) select {row} {many}",
            f"insert into {schema}.jobs_failed ({columns}, {ended}, error, failed_at)"
            f" select {row}, '[]', 0, 0, 0, 0, 'x', now() {many}",
            f"insert into {schema}.jobs_cancelled"
            f" ({columns}, {ended}, cancel_reason, cancelled_at)"
            f" select {row}, '[]', 0, 0, 0, 0, 'x', now() {many}",
            f"insert into {schema}.children"
            f" select gen_random_uuid(), 'a', gen_random_uuid() {many}",
            f"insert into {schema}.waiting_jobs"
            " select gen_random_uuid(), gen_random_uuid(), 1, now()"
            " from generate_series(1, 50)",
            *(f"analyze {schema}.{one}" for one in ("jobs", "jobs_failed", "jobs_cancelled")),
            f"analyze {schema}.children",
        )
        yield store, parent


@pytest.mark.parametrize("general", [False, True])
@pytest.mark.parametrize("name", _INDEXED)
def test_postgres_reads_by_index(
    postgres_family: tuple[PostgresStore, UUID], postgres_dsn: str, name: str, *, general: bool
) -> None:
    store, parent = postgres_family
    values = {
        **_BOUND, "id": parent, "ids": [parent], "now": None, "since": None,
        "owner": HOOK_OWNER, "hook_owner": HOOK_OWNER,
    }  # fmt: skip
    explain = explained_in_general if general else explained
    nodes = explain(store, postgres_dsn, name, values)
    read = [
        one["Actual Rows"] + one.get("Rows Removed by Filter", 0)
        for one in nodes
        if "Relation Name" in one
    ]
    assert sum(read) <= 100, nodes
