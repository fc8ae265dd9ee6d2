"""The plans of the statements whose cost must not grow with the table, also after ANALYZE."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing
from datetime import timedelta
from functools import cache
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from bgjobs._core.ids import new_id
from bgjobs._core.timestamps import to_microseconds
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.stores.sqlite.codec import names_json
from bgjobs.testing.contract.steps import NOW, SECOND, TICK, ask, put, start, take
from tests.fixtures.sqlite import fresh_sqlite_store

Filled = tuple[SQLiteStore, sqlite3.Connection]
"""A store with jobs, and another connection to its file."""
_BOUND = {
    "names": '["mail"]',
    "owner": str(new_id()),
    "now": 2_000_000_000_000_000,
    "limit": 10,
    "skip": 0,
    "settled": "[]",
    "rows": "[]",
    "ids": "[]",
    "after": None,
    "is_delayed": False,
    "owners": None,
    "since": None,
    "last": None,
    "number": None,
    "name": None,
    "id": "",
    "unique_key": "",
    "reservations": 0,
    "planned": True,
    "before": None,
    "words": "mail",
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Files of so many workers, each filled when it is first asked for, to be copied."""
    folder = tmp_path_factory.mktemp("filled")

    @cache
    def path_of(workers: int) -> Path:
        path = folder / f"{workers}.db"
        with fresh_sqlite_store(path, synchronous="NORMAL") as store:
            _fill(store, workers)
        return path

    return path_of


@pytest.fixture(params=["empty", "backlog", "analyzed backlog", "analyzed one worker"])
def connection(
    request: pytest.FixtureRequest, sqlite_path: Path, filled: Callable[[int], Path]
) -> Generator[Filled]:
    if request.param != "empty":
        shutil.copy(filled(1 if "one worker" in request.param else 40), sqlite_path)
    with (
        fresh_sqlite_store(sqlite_path, synchronous="NORMAL") as store,
        closing(sqlite3.connect(sqlite_path)) as raw,
    ):
        if "analyzed" in request.param:
            raw.execute("analyze")
        yield store, raw


def _fill(store: SQLiteStore, workers: int) -> None:
    """Fill with nearly all jobs of one worker, of one priority, and a few reserved."""
    put(store, *(ask("mail") for _ in range(3000)))
    put(store, *(ask(f"worker-{one}", priority=one % 3) for one in range(workers)))
    take(store, start(store), limit=20)


def _plan(connection: Filled, *names: str) -> str:
    store, raw = connection
    rows: list[Any] = []
    for name in names:
        [statement] = store._executor.sql[name]
        rows += raw.execute(f"explain query plan {statement}", _BOUND).fetchall()
    return "\n".join(row[3] for row in rows).replace("COVERING INDEX", "INDEX").replace('"', "")


def _assert_no_scan(plan: str, *allowed: str) -> None:
    """A scan of a list in the parameters, or of what a step gave, is no scan of a table."""
    fine = ("VIRTUAL TABLE", "SCAN level", *allowed)
    scans = [line for line in plan.splitlines() if "SCAN" in line]
    assert [line for line in scans if not any(one in line for one in fine)] == [], plan


def test_reserve_leaps_and_reads_only_what_it_takes(connection: Filled) -> None:
    plan = _plan(connection, "find_due", "reserve")
    steps = ("last", "best", "picked", "(subquery", "asked", "late", "mode", "leaps", "heads")
    _assert_no_scan(plan, *(f"SCAN {step}" for step in steps))
    ready, prompt = (f"USING INDEX bgjobs_jobs_{name}" for name in ("ready", "prompt"))
    for step in (
        f"SEARCH first {ready} (name=?)",
        f"SEARCH first {ready} (name=? AND priority>?)",
        f"SEARCH first {ready} (name=? AND priority=? AND available_at<?)",
        f"SEARCH first {prompt} (name=?)",
        f"SEARCH first {prompt} (name=? AND priority>?)",
        "SEARCH bgjobs_jobs USING INDEX bgjobs_jobs_delayed (name=? AND available_at<?)",
        f"SEARCH next {ready} (name=? AND priority=? AND available_at=? AND id>?)",
        f"SEARCH next {ready} (name=? AND priority=? AND available_at>? AND available_at<?)",
        "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)",
        "SEARCH bgjobs_jobs USING INTEGER PRIMARY KEY (rowid=?)",
        "SEARCH bgjobs_owners USING PRIMARY KEY (id=?)",
    ):
        assert step in plan
    # Only the reserved jobs, the levels and the few delayed jobs are sorted.
    assert plan.count("TEMP B-TREE") == 4, plan
    assert "BLOOM FILTER" not in plan


@pytest.mark.parametrize("instants", ["one instant", "many instants"])
def test_reserve_costs_the_same_for_many_names(sqlite_path: Path, instants: str) -> None:
    few, many = ["mail"], [f"worker-{number:02}" for number in range(50)]
    step = timedelta(0) if instants == "one instant" else TICK
    with fresh_sqlite_store(sqlite_path, synchronous="NORMAL") as store:
        for names in (few, many):
            jobs = enumerate(islice(cycle(names), 10_000))
            put(store, *(ask(name, available_at=NOW + number * step) for number, name in jobs))
        owner = start(store)
        with closing(sqlite3.connect(sqlite_path, isolation_level=None)) as raw:
            for limit in (1, 10, 100):
                one, fifty = (
                    _instructions(store, raw, owner, names, limit) for names in (few, many)
                )
                assert fifty - one <= 100 * len(many), (limit, one, fifty)
                # The first one also reads the schema.
                assert one <= 650 + 310 * limit, (limit, one)


def _instructions(
    store: SQLiteStore, raw: sqlite3.Connection, owner: UUID, names: list[str], limit: int
) -> int:
    """Count what SQLite's virtual machine executes: exact, unlike a time."""
    count = 0

    def counted() -> int:
        nonlocal count
        count += 1
        return 0

    values = {
        "owner": str(owner),
        "names": names_json(names),
        "limit": limit,
        "now": to_microseconds(NOW + SECOND),
    }
    raw.set_progress_handler(counted, 1)
    raw.execute("begin immediate")
    [find], [take] = (store._executor.sql[name] for name in ("find_due", "reserve"))
    chosen = [json.loads(row) for _, row in raw.execute(find, values)]
    taken = raw.execute(take, {**values, "rows": json.dumps(chosen)})
    assert taken.rowcount == sum(map(len, chosen)) == limit
    raw.execute("rollback")
    raw.set_progress_handler(None, 1)
    return count


def test_next_due_leaps(connection: Filled) -> None:
    plan = _plan(connection, "next_due")
    _assert_no_scan(plan, "SCAN prompt")
    assert "BLOOM FILTER" not in plan
    for step in (
        "SEARCH bgjobs_jobs USING INDEX bgjobs_jobs_ready (name=? AND priority=?)",
        "SEARCH bgjobs_jobs USING INDEX bgjobs_jobs_delayed (name=?)",
        "SEARCH first USING INDEX bgjobs_jobs_prompt (name=?)",
        "SEARCH first USING INDEX bgjobs_jobs_prompt (name=? AND priority>?)",
    ):
        assert step in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize("name", ["succeed", "fail", "cancel", "requeue", "drop", "report"])
def test_settlements_look_up_their_rows(connection: Filled, name: str) -> None:
    plan = _plan(connection, name)
    _assert_no_scan(plan)
    assert "bgjobs_jobs_reserved (reserved_by=? AND id=?" in plan


@pytest.mark.parametrize(
    "name",
    [
        *("find_live", "find_succeeded", "find_failed", "find_cancelled", "find_holder"),
        *("find_unique", "replace", "prune_succeeded", "prune_failed", "prune_cancelled"),
    ],
)
def test_no_table_is_scanned(connection: Filled, name: str) -> None:
    plan = _plan(connection, name)
    _assert_no_scan(plan)
    assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("find_unique", "bgjobs_jobs_unique (name=? AND unique_key=?)"),
        ("replace", "sqlite_autoindex_bgjobs_jobs_1 (id=?)"),
    ],
)
def test_one_row_is_looked_up(connection: Filled, name: str, index: str) -> None:
    assert _plan(connection, name) == f"SEARCH bgjobs_jobs USING INDEX {index}"


@pytest.mark.parametrize("name", ["abandoned", "list_running"])
def test_only_reserved_rows_are_read(connection: Filled, name: str) -> None:
    plan = _plan(connection, name)
    _assert_no_scan(plan, "bgjobs_jobs_reserved")
    assert "bgjobs_jobs_reserved" in plan


def test_jobs_that_were_cancelled_are_looked_up(connection: Filled) -> None:
    plan = _plan(connection, "find_cancellations")
    _assert_no_scan(plan, "SCAN bgjobs_cancellations")  # whether there is any, up to the first


_ENDS = ("succeeded", "failed", "cancelled")
_BY_ID = "jobs_{0} USING INDEX sqlite_autoindex_bgjobs_jobs_{0}_1 (id>? AND id<?)"
_BY_NAME = "jobs_{0} USING INDEX bgjobs_jobs_{0}_by_name (name=? AND id>? AND id<?)"


@pytest.mark.parametrize("suffix", ["", ":ids"])
@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("list_waiting", "jobs USING INDEX sqlite_autoindex_bgjobs_jobs_1 (id>? AND id<?)"),
        *((f"list_{state}", _BY_ID.format(state)) for state in _ENDS),
        *((f"list_worker_{state}", _BY_NAME.format(state)) for state in _ENDS),
    ],
)
def test_listings_go_along_the_ids_without_sorting(
    connection: Filled, name: str, index: str, suffix: str
) -> None:
    plan = _plan(connection, name + suffix)
    assert plan.splitlines()[0] == f"SEARCH bgjobs_{index}"
    _assert_no_scan(plan)
    assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize("suffix", ["", ":ids"])
def test_searches_look_up_what_the_index_of_words_finds(
    connection: Filled, suffix: str
) -> None:
    plan = _plan(connection, f"search_failed{suffix}")
    for step in (
        "SCAN found VIRTUAL TABLE INDEX",
        "SEARCH noted USING INTEGER PRIMARY KEY (rowid=?)",
        "SEARCH job USING INDEX sqlite_autoindex_bgjobs_jobs_failed_1 (id=?)",
    ):
        assert step in plan
    assert "TEMP B-TREE" not in plan


def test_past_owners_are_found_by_the_end_of_the_first_job(connection: Filled) -> None:
    plan = _plan(connection, "prune_owners")
    _assert_no_scan(plan, "SCAN (subquery")
    assert "SEARCH past USING INDEX bgjobs_past_owners_closed_at (closed_at<?)" in plan
    for state in _ENDS:
        assert f"SEARCH bgjobs_jobs_{state} USING INDEX bgjobs_jobs_{state}_at" in plan
