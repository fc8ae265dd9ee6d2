"""What operators ask for costs as much as they get, however many jobs there are."""

import json
import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bgjobs._core.ids import new_ids
from bgjobs._core.timestamps import to_microseconds
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.testing.contract.steps import NOW, SECOND
from tests.fixtures.sqlite import fresh_sqlite_store

pytestmark = pytest.mark.xdist_group("sqlite operations plans")  # the rows are stored once

Filled = tuple[SQLiteStore, sqlite3.Connection]
"""A store with jobs, and another connection to its file."""
ROWS = 20_000
"""Of each kind: one scan of these takes more than 100,000 instructions."""
MANY = 500
EVERY = 10
"""Instructions between two calls that count them: each call costs as much as hundreds."""
IDS = [str(one) for one in new_ids(3 * ROWS)]
WAITING, RUNNING, FAILED = IDS[:ROWS], IDS[ROWS : 2 * ROWS], IDS[2 * ROWS :]
SHARED = "id, name, payload, priority, created_at, available_at, reservations"
INDEX_FAILURES = ("unindex_failures", "forget_failures", "index_failures", "mark_indexed")
ENDED = f"{SHARED}, attempts, crashes, interruptions, errors"


@pytest.fixture(scope="module", params=["analyzed", "not analyzed"])
def raw(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Filled]:
    path: Path = tmp_path_factory.mktemp("plans") / "jobs.db"
    with (
        fresh_sqlite_store(path, synchronous="NORMAL") as store,
        closing(sqlite3.connect(path, isolation_level=None)) as raw,
    ):
        raw.execute("begin")
        _fill(store, raw)
        raw.execute("commit")
        if request.param == "analyzed":
            raw.execute("analyze")
        yield store, raw


def _fill(store: SQLiteStore, raw: sqlite3.Connection) -> None:
    now = to_microseconds(NOW)

    def shared(number: int, one: str) -> tuple[Any, ...]:
        name = "rare" if number % 1000 == 0 else f"w{number % 4}"
        return one, name, "{}", number % 3, now, now + number % 2 * 10**9

    raw.executemany(
        f"insert into bgjobs_jobs ({SHARED}) values (?, ?, ?, ?, ?, ?, 0)",
        [shared(*one) for one in enumerate(WAITING)],
    )
    raw.executemany(
        f"insert into bgjobs_jobs ({SHARED}, reserved_at, reserved_by)"
        " values (?, ?, ?, ?, ?, ?, 1, 0, ?)",
        [(*shared(*one), IDS[one[0] % 20]) for one in enumerate(RUNNING)],
    )
    for table, more in (("failed", "failed_at, error"), ("succeeded", "succeeded_at")):
        texts = ["?"] * (1 + (table == "failed"))
        raw.executemany(
            f"insert into bgjobs_jobs_{table} ({ENDED}, {more})"
            f" values (?, ?, ?, ?, ?, ?, 1, 0, 0, 0, '[]', {', '.join(texts)})",
            [
                (*shared(*one), now, _error(one[0]))[: 6 + len(texts)]
                for one in enumerate(FAILED)
            ],
        )
    for name in INDEX_FAILURES:
        raw.execute(store._executor.sql[name][0])


def _error(number: int) -> str:
    return "ValueError: rare" if number % 1000 == 0 else f"TypeError: often {number}"


def _cost(
    raw: Filled,
    names: str | Sequence[str],
    values: Mapping[str, Any],
) -> tuple[int, int]:
    """Count what SQLite's virtual machine executes, and the rows that are given."""
    store, connection = raw
    count = found = 0

    def counted() -> int:
        nonlocal count
        count += EVERY
        return 0

    connection.execute("begin immediate")
    connection.set_progress_handler(counted, EVERY)
    for name in [names] if isinstance(names, str) else names:
        [statement] = store._executor.sql[name]
        found += len(connection.execute(statement, {"number": None, **values}).fetchall())
    connection.set_progress_handler(None, 1)
    connection.execute("rollback")
    return count, found


PAGE: dict[str, Any] = {"after": None, "before": None, "limit": 20, "name": None}


@pytest.mark.parametrize("suffix", ["", "_ids"])
@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("get_failed", {}, 20),
        ("get_failed", {"after": FAILED[5000]}, 20),
        ("get_worker_failed", {"name": "w1"}, 20),
        ("get_worker_failed", {"name": "rare", "after": FAILED[5000]}, 5),
        ("search_failed", {"words": '"often"'}, 20),
        ("search_failed", {"words": '"often"', "after": FAILED[5001]}, 20),
        ("search_failed", {"words": '"typeerror" "4711"'}, 1),
        ("search_failed", {"words": '"471"*'}, 11),
        ("search_failed", {"words": '"rare"'}, 20),
        ("search_worker_failed", {"words": '"rare"', "name": "rare"}, 20),
        ("search_worker_failed", {"words": '"absent"', "name": "rare"}, 0),
    ],
)
def test_a_page_of_failed_jobs_costs_what_it_gives(
    raw: Filled,
    name: str,
    suffix: str,
    values: dict[str, Any],
    expected: int,
) -> None:
    cost, found = _cost(raw, name + suffix, {**PAGE, **values})
    assert found == expected
    assert cost <= 1000 + 100 * 20


RETRY = ("forget_old_cancellations", "retry", "delete_retried")
CANCEL = ("cancel_running", "record_cancelled", "cancel_waiting")
DELETE = (
    *("delete_waiting", "delete_succeeded", "delete_failed", "delete_unreadable"),
    "delete_cancellations",
)
PRUNE = ("prune_worker_succeeded", "prune_worker_failed")
STARTS = ("forget_starts", "record_starts")


@pytest.mark.parametrize("names", [None, '["w1"]', '["rare", "w2", "w3"]', '["absent"]'])
def test_counting_ends_at_its_limit(raw: Filled, names: str | None) -> None:
    values = {"names": names, "at_most": 100, "now": to_microseconds(NOW + SECOND)}
    cost, _ = _cost(raw, "count", values)
    looked_at = ROWS if names in ('["absent"]', '["rare", "w2", "w3"]') else 400
    # Few jobs are reserved at a time, so they have no index by worker.
    assert cost <= 5000 + 20 * 500 + 25 * looked_at


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (RETRY, FAILED),
        (RETRY, WAITING),
        (CANCEL, WAITING),
        (CANCEL, RUNNING),
        (CANCEL, FAILED),
        (DELETE, WAITING),
        (DELETE, RUNNING),
        (DELETE, FAILED),
        (["change"], WAITING),
        (["change"], RUNNING),
    ],
)
def test_changing_many_looks_each_up(raw: Filled, names: Sequence[str], ids: list[str]) -> None:
    values = {
        "ids": json.dumps([*map(str, new_ids(MANY)), *ids[:MANY]]),
        "now": to_microseconds(NOW),
        "reason": "no",
        "error": "Cancelled: no",
        "available_at": 1,
        "priority": 1,
    }
    cost, _ = _cost(raw, names, values)
    assert cost <= 5000 + 2 * MANY * 250


@pytest.mark.parametrize(("name", "most"), [("rare", 3000), ("w1", 300_000), ("absent", 500)])
def test_pruning_a_worker_reads_its_own_jobs_alone(raw: Filled, name: str, most: int) -> None:
    zeros = dict.fromkeys(("succeeded_for", "failed_for", "now", "skip"), 0)
    values: dict[str, Any] = {**zeros, "name": name, "limit": MANY}
    cost, found = _cost(raw, PRUNE, values)
    assert found == 0
    assert cost <= most
    values["now"] = to_microseconds(NOW + SECOND)
    cost, found = _cost(raw, PRUNE, values)
    assert cost <= 500 + 250 * found


def test_what_becomes_of_failed_jobs_is_indexed_alone(raw: Filled) -> None:
    """The index of words is not gone through for what has not changed."""
    cost, _ = _cost(raw, INDEX_FAILURES, {})
    assert cost <= 500


def test_orders_and_owners_read_what_their_owners_hold(raw: Filled) -> None:
    cost, _ = _cost(raw, "commands", {"owners": json.dumps(IDS[:1])})
    assert cost <= 500
    assert _cost(raw, "get_owners", {"now": 0})[0] <= 500
    assert _cost(raw, "forget_cancellations", {})[0] <= 500


def test_a_rate_is_counted_within_its_period(raw: Filled) -> None:
    _, connection = raw
    connection.execute("begin")
    connection.execute("delete from bgjobs_starts")
    connection.executemany(
        "insert into bgjobs_starts (name, started_at) values (?, ?)",
        [(f"w{one % 4}", one) for one in range(ROWS)],
    )
    connection.execute("commit")
    values = {"caps": '[["other", 10], ["w1", 40]]', "now": ROWS, "names": "[]"}
    cost, _ = _cost(raw, "use", {**values, "caps": '[["w1", 40]]'})
    counted = 20 * ROWS  # the reserved rows, which are few in life
    assert cost <= 2000 + counted
    assert _cost(raw, STARTS, {**values, "caps": '[["other", 10]]'})[0] <= 500


def test_the_names_of_waiting_jobs_are_leapt_through(raw: Filled) -> None:
    cost, found = _cost(raw, "get_waiting_names", {"limit": MANY})
    assert found == 5
    assert cost <= 1000


def test_occurrences_are_read_from_their_index(raw: Filled) -> None:
    assert _cost(raw, "get_occurrences", {"after": None, "limit": MANY})[0] <= 1000


def test_ids_are_looked_up(raw: Filled) -> None:
    for first in (IDS[0], WAITING[-3], FAILED[5]):
        values = {"first": first, "last": IDS[-1], "limit": 10}
        cost, found = _cost(raw, "find_ids", values)
        assert found == 10
        assert cost <= 2000
