"""What operators ask for costs as much as they get, however many jobs there are."""

import json
import sqlite3
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from bgjobs._core.hooks import HOOK_OWNER
from bgjobs._core.ids import new_ids
from bgjobs._core.timestamps import to_microseconds
from bgjobs.stores.filters import JobFilter
from bgjobs.stores.pages import EXAMINED, Page
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
WAITING, RUNNING, ENDED = IDS[:ROWS], IDS[ROWS : 2 * ROWS], IDS[2 * ROWS :]
SHARED = "id, name, payload, priority, created_at, available_at, reservations"
INDEX_FAILURES = ("unindex_failures", "forget_failures", "index_failures", "mark_indexed")
ALL_ENDED = f"{SHARED}, attempts, crashes, interruptions, errors, reserved_by, reserved_at"
OWNER = IDS[0]
"""The owner of a tenth of the first 5,000 ended jobs."""
MARKED = RUNNING[1:80:4]
"""The jobs whose end is marked, all of one worker."""


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
    ends = {"succeeded": [], "failed": ["error"], "cancelled": ["cancel_reason"]}
    for state, texts in ends.items():
        raw.executemany(
            f"insert into bgjobs_jobs_{state} "
            f"({', '.join([ALL_ENDED, f'{state}_at', *texts])})"
            " values (?, ?, ?, ?, ?, ?, 1, 0, 0, 0, '[]', ?, 0, ?" + ", ?" * len(texts) + ")",
            [
                (*shared(*one), _owner(one[0]), now, _error(one[0]))[: 8 + len(texts)]
                for one in enumerate(ENDED)
            ],
        )
    raw.execute(
        "insert into bgjobs_past_owners (id, name, node, opened_at, closed_at)"
        " values (?, 'images', '', 0, 0)",
        [OWNER],
    )
    hooks = [("w1", True), ("w2", False), ("rare", True)]
    raw.executemany("insert into bgjobs_failure_hooks values (?, ?, 0)", hooks)
    raw.executemany(
        "insert into bgjobs_marked_ends (job_id, state, reason, marked_at)"
        " values (?, 'failed', 'no', 0)",
        [[one] for one in MARKED],
    )
    raw.executemany(
        "update bgjobs_jobs set reserved_by = ? where id = ?",
        [(str(HOOK_OWNER), one) for one in MARKED],
    )
    for name in INDEX_FAILURES:
        raw.execute(store._executor.sql[name][0])


def _owner(number: int) -> str:
    return OWNER if number < ROWS // 4 and number % 10 == 0 else IDS[1]


def _error(number: int) -> str:
    return "ValueError: rare" if number % 1000 == 0 else f"TypeError: often {number}"


def _cost(
    raw: Filled,
    names: str | Sequence[str],
    values: Mapping[str, Any],
) -> tuple[int, int]:
    """Count what SQLite's virtual machine executes, and the rows that are given."""
    store, connection = raw

    def run() -> int:
        statements = [
            store._executor.sql[name] for name in ([names] if isinstance(names, str) else names)
        ]
        found = [connection.execute(one, values).fetchall() for [one] in statements]
        return sum(map(len, found))

    connection.execute("begin immediate")
    counted = _counted(connection, run)
    connection.execute("rollback")
    return counted


def _counted(connection: sqlite3.Connection, run: Callable[[], int]) -> tuple[int, int]:
    count = 0

    def counted() -> int:
        nonlocal count
        count += EVERY
        return 0

    connection.set_progress_handler(counted, EVERY)
    found = run()
    connection.set_progress_handler(None, 1)
    return count, found


def _list(raw: Filled, state: Any, page: Page, **properties: Any) -> tuple[int, int, bool]:
    """Count what a list costs at most, its jobs, and whether it has ended."""
    store, _ = raw
    reader = store._executor.connections.reader.raw
    wanted: Any = JobFilter(state, **properties)
    pages: list[Any] = []

    def run(read: Callable[..., Any]) -> int:
        pages.append(read(wanted, page, now=NOW))
        return len(pages[-1])

    cost, found = _counted(reader, lambda: run(store.list))
    cost_of_ids, found_ids = _counted(reader, lambda: run(store.operations.list_ids))
    assert [job.id for job in pages[0]] == pages[1]
    assert (found_ids, pages[0].after) == (found, pages[1].after)
    assert cost_of_ids <= cost + 10 * EVERY
    return cost, found, pages[0].after is None


LIST = 20
ENDS = ("succeeded", "failed", "cancelled")


@pytest.mark.parametrize(
    ("state", "properties", "after", "expected"),
    [
        ("waiting", {}, None, LIST),
        ("delayed", {}, 5000, LIST),
        ("waiting", {"name": "w2"}, None, LIST),
        *((state, {}, None, LIST) for state in ENDS),
        *((state, {}, 5000, LIST) for state in ENDS),
        *((state, {"name": "w1"}, None, LIST) for state in ENDS),
        *((state, {"name": "rare"}, 5000, 5) for state in ENDS),
        *((state, {"name": "absent"}, None, 0) for state in ENDS),
        ("failed", {"search": "often"}, None, LIST),
        ("failed", {"search": "typeerror 4711"}, None, 1),
        ("failed", {"search": "471*"}, None, 11),
        ("failed", {"search": "rare"}, None, LIST),
        ("failed", {"search": "rare", "name": "rare"}, None, LIST),
        ("failed", {"search": "absent", "name": "rare"}, None, 0),
    ],
)
def test_a_page_costs_what_it_returns(
    raw: Filled, state: str, properties: dict[str, Any], after: int | None, expected: int
) -> None:
    rows = WAITING if state == "delayed" else ENDED
    page = Page(LIST, None if after is None else UUID(rows[after]))
    cost, found, _ = _list(raw, state, page, **properties)
    assert found == expected
    read_in_advance = 60_000 if properties.get("search", "").endswith("*") else 0
    if state in ("waiting", "delayed"):
        read_in_advance = 25 * EXAMINED
    assert cost <= 2000 + 150 * LIST + read_in_advance


_OTHERS: list[dict[str, Any]] = [
    {"queue": "images"},
    {"owner": UUID(OWNER)},
    {"before": NOW - timedelta(days=1)},
    {"after": NOW + timedelta(days=1)},
    {"owner": UUID(OWNER), "name": "w1"},
]


@pytest.mark.parametrize("properties", _OTHERS)
@pytest.mark.parametrize("state", ENDS)
def test_a_page_reads_no_more_rows_than_the_limit(
    raw: Filled, state: str, properties: dict[str, Any]
) -> None:
    """The first page ends behind 10,000 rows, of which it returns none."""
    cost, found, has_ended = _list(raw, state, Page(LIST), **properties)
    assert found == 0
    assert has_ended is ("name" in properties)  # each worker has 5,000 jobs
    assert cost <= 2000 + 40 * EXAMINED
    if {"queue", "owner"} & properties.keys() and "name" not in properties:
        cost, found, has_ended = _list(raw, state, Page(LIST, UUID(ENDED[5000])), **properties)
        assert (found, has_ended) == (LIST, False)
        assert cost <= 5000 + 40 * EXAMINED


def test_a_search_reads_no_more_rows_than_the_limit(raw: Filled) -> None:
    for properties in _OTHERS:
        cost, found, _ = _list(raw, "failed", Page(LIST), search="typeerror", **properties)
        assert found == 0
        assert cost <= 5000 + 120 * EXAMINED


@pytest.mark.parametrize("state", ["waiting", "delayed"])
def test_waiting_jobs_are_looked_for_among_the_next_live_ones(raw: Filled, state: str) -> None:
    cost, found, has_ended = _list(raw, state, Page(LIST), name="absent")
    assert (found, has_ended) == (0, False)
    assert cost <= 2000 + 45 * EXAMINED


def test_running_jobs_are_read_from_their_index(raw: Filled) -> None:
    cost, found, _ = _list(raw, "running", Page(LIST), owner=UUID(OWNER))
    assert found == LIST
    assert cost <= 2000 + 40 * ROWS  # the reserved rows, which are few in life


RETRY = (
    *("forget_old_cancellations", "retry"),
    *("delete_retried_failed", "delete_retried_cancelled"),
)
CANCEL = (
    *("mark_waiting", "hold_waiting", "cancel_running"),
    *("record_cancelled", "cancel_waiting"),
)
DELETE = (
    *("delete_waiting", "delete_marked"),
    *("delete_succeeded", "delete_failed", "delete_cancelled"),
    *("delete_unreadable", "delete_cancellations", "delete_marks"),
)
PRUNE = tuple(f"prune_worker_{state}" for state in ENDS)
STARTS = ("forget_starts", "record_starts")


@pytest.mark.parametrize("names", [None, ["w1"], ["rare", "w2", "w3"], ["absent"]])
def test_counting_ends_at_its_limit(raw: Filled, names: list[str] | None) -> None:
    store, reader = raw[0], raw[0]._executor.connections.reader.raw
    cost, waiting = _counted(reader, lambda: store.count(names, at_most=100).waiting)
    looked_at = ROWS if names in (["absent"], ["rare", "w2", "w3"]) else 400
    assert waiting <= 100
    # Few jobs are reserved at a time, so they have no index by worker.
    assert cost <= 5000 + 20 * 500 + 25 * looked_at


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (RETRY, ENDED),
        (RETRY, WAITING),
        (CANCEL, WAITING),
        (CANCEL, RUNNING),
        (CANCEL, ENDED),
        (DELETE, WAITING),
        (DELETE, RUNNING),
        (DELETE, ENDED),
        (["change"], WAITING),
        (["change"], RUNNING),
    ],
)
def test_changing_many_looks_each_up(raw: Filled, names: Sequence[str], ids: list[str]) -> None:
    values = {
        "ids": json.dumps([*map(str, new_ids(MANY)), *ids[:MANY]]),
        "now": to_microseconds(NOW),
        "reason": "no",
        "by": None,
        "owner": str(HOOK_OWNER),
        "longest": 1000,
        "available_at": 1,
        "priority": 1,
    }
    cost, _ = _cost(raw, names, values)
    assert cost <= 5000 + 2 * MANY * 250


@pytest.mark.parametrize(("name", "most"), [("rare", 3000), ("w1", 300_000), ("absent", 500)])
def test_pruning_a_worker_reads_its_own_jobs_alone(raw: Filled, name: str, most: int) -> None:
    values: dict[str, Any] = {"name": name, "limit": MANY, "before": 0, "skip": 0}
    cost, found = _cost(raw, PRUNE, values)
    assert found == 0
    assert cost <= most
    values["before"] = to_microseconds(NOW + SECOND)
    cost, found = _cost(raw, PRUNE, values)
    assert cost <= 500 + 250 * found


def test_past_owners_are_forgotten_by_the_first_end_of_each_table(raw: Filled) -> None:
    cost, _ = _cost(raw, "prune_owners", {})
    assert cost <= 500


def test_what_becomes_of_failed_jobs_is_indexed_alone(raw: Filled) -> None:
    """The index of words is not gone through for what has not changed."""
    cost, _ = _cost(raw, INDEX_FAILURES, {})
    assert cost <= 500


def test_orders_and_owners_read_what_their_owners_hold(raw: Filled) -> None:
    cost, _ = _cost(raw, "commands", {"owners": json.dumps(IDS[:1])})
    assert cost <= 500
    assert _cost(raw, "get_owners", {"now": 0, "hook_owner": str(HOOK_OWNER)})[0] <= 500
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
    for first in (IDS[0], WAITING[-3], ENDED[5]):
        values = {"first": first, "last": IDS[-1], "limit": 10}
        cost, found = _cost(raw, "find_ids", values)
        assert found == 10
        assert cost <= 2000


@pytest.mark.parametrize("names", ['["w1"]', '["absent", "w1", "w2"]', '["absent"]'])
@pytest.mark.parametrize("behind", [0, 10])
def test_marks_cost_as_much_as_they_are_many(raw: Filled, names: str, behind: int) -> None:
    after = MARKED[behind - 1] if behind else None
    values = {"owner": str(HOOK_OWNER), "names": names, "after": after, "limit": 100}
    cost, found = _cost(raw, "marked_ends", values)
    assert found == (len(MARKED) - behind if "w1" in names else 0)
    assert cost <= 2000 + 100 * len(MARKED)
    cost, found = _cost(raw, "marked_names", values)
    assert found == 1
    assert cost <= 2000 + 100 * len(MARKED)


MARK = ("mark_end", "hold_marked")
UNMARK = ("restore_failed_owner", "restore_cancelled_owner", "unmark")


def test_a_mark_and_its_job_are_looked_up(raw: Filled) -> None:
    _, connection = raw
    holder = "select reserved_by from bgjobs_jobs where id = ?"
    for one in (RUNNING[5000], RUNNING[5001], MARKED[0], WAITING[1], ENDED[1]):
        [[owner]] = connection.execute(holder, [one]).fetchall() or [[OWNER]]
        values = {
            "settled": json.dumps([[one, owner, 1, 0, 0, 0, "[]", None]]),
            "id": one,
            "owner": str(HOOK_OWNER),
            **dict.fromkeys(("state", "reason", "author"), "cancelled"),
            **dict.fromkeys(("now", "patience"), 0),
        }
        for names in (MARK, ["begin_marked"], UNMARK):
            assert _cost(raw, names, values)[0] <= 1000
