"""The plans of the statements whose cost must not grow with the table, also after ANALYZE."""

import sqlite3
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bgjobs.ids import new_id
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.testing.contract.steps import ask, put, start, take
from tests.fixtures.sqlite import fresh_sqlite_store

_BOUND = {
    "names": '["mail"]',
    "owner": str(new_id()),
    "now": 2_000_000_000_000_000,
    "limit": 10,
    "settled": "[]",
    "succeeded_before": 0,
    "failed_before": 0,
    "after": None,
    "name": None,
    "id": "",
    "unique_key": "",
}
_LEAP = [
    "SEARCH bgjobs_jobs USING INDEX bgjobs_jobs_ready (name=?)",
    "SEARCH bgjobs_jobs USING INDEX bgjobs_jobs_ready (name=? AND priority>?)",
]


@pytest.fixture(params=["empty", "backlog", "analyzed backlog", "analyzed one worker"])
def connection(
    request: pytest.FixtureRequest, sqlite_path: Path
) -> Generator[tuple[SQLiteStore, sqlite3.Connection]]:
    with fresh_sqlite_store(sqlite_path, synchronous="NORMAL") as store:
        if request.param != "empty":
            _fill(store, 1 if "one worker" in request.param else 40)
        with closing(sqlite3.connect(sqlite_path)) as raw:
            if "analyzed" in request.param:
                raw.execute("analyze")
            yield store, raw


def _fill(store: SQLiteStore, workers: int) -> None:
    """Fill with nearly all jobs of one worker, of one priority, and a few reserved."""
    put(store, *(ask("mail") for _ in range(3000)))
    put(store, *(ask(f"worker-{one}", priority=one % 3) for one in range(workers)))
    take(store, start(store), limit=20)


def _plan(connection: tuple[SQLiteStore, sqlite3.Connection], verb: str) -> str:
    store, raw = connection
    rows: list[Any] = []
    for statement in store._sql[verb]:
        rows += raw.execute(f"explain query plan {statement}", _BOUND).fetchall()
    return "\n".join(row[3] for row in rows).replace("COVERING INDEX", "INDEX").replace('"', "")


def _assert_no_scan(plan: str, *allowed: str) -> None:
    """A scan of a list in the parameters, or of what a step gave, is no scan of a table."""
    fine = ("VIRTUAL TABLE", "SCAN level", "SCAN first", *allowed)
    scans = [line for line in plan.splitlines() if "SCAN" in line]
    assert [line for line in scans if not any(one in line for one in fine)] == [], plan


def test_reserve_leaps_and_reads_only_what_it_takes(
    connection: tuple[SQLiteStore, sqlite3.Connection],
) -> None:
    plan = _plan(connection, "reserve")
    _assert_no_scan(plan, "SCAN (subquery")
    for step in (
        *_LEAP,
        "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
        "SEARCH bgjobs_jobs USING INTEGER PRIMARY KEY (rowid=?)",
        "SEARCH bgjobs_owners USING PRIMARY KEY (id=?)",
    ):
        assert step in plan
    assert "bgjobs_jobs_ready (name=? AND priority=? AND available_at<?)" in plan
    assert plan.count("TEMP B-TREE") == 1, "only the candidates are sorted"


def test_next_due_leaps(connection: tuple[SQLiteStore, sqlite3.Connection]) -> None:
    plan = _plan(connection, "next_due")
    _assert_no_scan(plan)
    for step in (*_LEAP, "bgjobs_jobs_ready (name=? AND priority=?)"):
        assert step in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize("verb", ["succeed", "fail", "requeue"])
def test_settlements_look_up_their_rows(
    connection: tuple[SQLiteStore, sqlite3.Connection], verb: str
) -> None:
    plan = _plan(connection, verb)
    _assert_no_scan(plan)
    assert "bgjobs_jobs_reserved (reserved_by=? AND id=?" in plan


@pytest.mark.parametrize("verb", ["find", "find_live", "prune"])
def test_no_table_is_scanned(
    connection: tuple[SQLiteStore, sqlite3.Connection], verb: str
) -> None:
    plan = _plan(connection, verb)
    _assert_no_scan(plan)
    assert "TEMP B-TREE" not in plan


def test_abandoned_reads_only_reserved_rows(
    connection: tuple[SQLiteStore, sqlite3.Connection],
) -> None:
    plan = _plan(connection, "abandoned")
    _assert_no_scan(plan, "bgjobs_jobs_reserved")
    assert "bgjobs_jobs_reserved" in plan


def test_get_running_reads_only_reserved_rows(
    connection: tuple[SQLiteStore, sqlite3.Connection],
) -> None:
    plan = _plan(connection, "get_running")
    _assert_no_scan(plan, "bgjobs_jobs_reserved")
    assert "bgjobs_jobs_reserved" in plan


@pytest.mark.parametrize("verb", ["get_enqueued", "get_succeeded", "get_failed"])
def test_listings_go_along_the_ids_without_sorting(
    connection: tuple[SQLiteStore, sqlite3.Connection], verb: str
) -> None:
    plan = _plan(connection, verb)
    assert "TEMP B-TREE" not in plan
    assert "sqlite_autoindex" in plan
