"""Operators' statements use indexes, however many jobs there are."""

from collections.abc import Callable, Generator
from typing import Any
from uuid import UUID

import psycopg
import pytest

from bgjobs._core.hooks import HOOK_OWNER
from bgjobs._core.ids import new_id
from bgjobs.stores.decoder import TABLES
from bgjobs.stores.postgres import PostgresStore
from tests.fixtures.postgres import execute, fresh_postgres_store, schema_of
from tests.integration.postgres_plans import explained, explained_in_general

ROWS = 40_000
"""How many rows of each kind there are."""
MANY = 500
MARKED = 20
"""How many jobs have a marked end."""
_JOBS = """
    insert into {s}.jobs (
        id, name, payload, priority, created_at, available_at, reservations, reserved_at,
        reserved_by
    )
    select
        gen_random_uuid(), case when n % 1000 = 0 then 'rare' else 'w' || n % 4 end, '[]',
        n % 3, now(), now() + interval '1 day' * (n % 2) - interval '1 hour', 1,
        case when n <= 2000 then now() end, case when n <= 2000 then gen_random_uuid() end
    from generate_series(1, {rows}) as n
"""
_ENDED = """
    insert into {s}.jobs_{kind} (
        id, name, payload, priority, attempts, crashes, interruptions, reservations, created_at,
        available_at, errors, {more}
    )
    select
        gen_random_uuid(), case when n % 1000 = 0 then 'rare' else 'w' || n % 4 end, '[]', 0,
        0, 0, 0, 1, now(), now(), '[]', {values}
    from generate_series(1, {rows}) as n
"""
_HOOKS = """
    insert into {s}.failure_hooks (name, on_cancelled, registered_at)
    values ('w1', true, now()), ('w2', false, now()), ('rare', true, now());
    with marked as (
        update {s}.jobs set reserved_by = '{owner}'
        where id in (
            select id from {s}.jobs where reserved_by is not null and name = 'w1' limit {marked}
        )
        returning id
    )
    insert into {s}.marked_ends (job_id, state, reason, marked_at)
    select id, 'failed', 'no', now() from marked
"""
_AUDIT = """
    insert into {s}.audit (id, at, action, subject)
    select gen_random_uuid(), now() - n * interval '1 second', 'retry', 'x'
    from generate_series(1, {rows}) as n
"""
_AT = "now() - n * interval '1 second'"
_ERROR = "case when n % 1000 = 0 then 'ValueError: rare' else 'TypeError: often ' || n end"

Plan = Callable[[PostgresStore, str, str, dict[str, Any]], list[dict[str, Any]]]
every_plan = pytest.mark.parametrize(
    "plan", [explained, explained_in_general], ids=["for these values", "for any values"]
)


@pytest.fixture(scope="module")
def store(postgres_dsn: str) -> Generator[PostgresStore]:
    with fresh_postgres_store(postgres_dsn) as store:
        schema = f'"{schema_of(store)}"'
        failed = {"kind": "failed", "more": "failed_at, error", "values": f"{_AT}, {_ERROR}"}
        done = {"kind": "succeeded", "more": "succeeded_at", "values": _AT}
        more = "cancelled_at, cancel_reason"
        cancelled = {"kind": "cancelled", "more": more, "values": f"{_AT}, 'no'"}
        tables = [f"{schema}.{table}" for table in (*TABLES, "audit")]
        execute(
            postgres_dsn,
            *(f"alter table {one} set (autovacuum_enabled = false)" for one in tables),
            _JOBS.format(s=schema, rows=ROWS),
            *(_ENDED.format(s=schema, rows=ROWS, **kind) for kind in (failed, done, cancelled)),
            _AUDIT.format(s=schema, rows=ROWS),
            _HOOKS.format(s=schema, owner=HOOK_OWNER, marked=MARKED),
            *(f"analyze {one}" for one in tables),
        )
        yield store


def _read(
    store: PostgresStore, dsn: str, name: str, values: dict[str, Any], plan: Plan = explained
) -> float:
    """Run a statement, roll it back, and return how many rows and index entries it read."""
    return sum(map(_read_by, plan(store, dsn, name, values)))


def _read_by(node: dict[str, Any]) -> float:
    if "Scan" not in node["Node Type"] or not ({"Relation Name", "Index Name"} & set(node)):
        return 0
    removed = sum(node.get(f"Rows Removed by {by}", 0) for by in ("Filter", "Index Recheck"))
    return float((node["Actual Rows"] + removed) * node["Actual Loops"])


def _ids(store: PostgresStore, dsn: str, table: str, where: str = "true") -> list[UUID]:
    with psycopg.connect(dsn) as connection:
        query = f'select id from "{schema_of(store)}".{table} where {where} limit {MANY}'
        return [row[0] for row in connection.execute(query.encode())]


PAGE: dict[str, Any] = {
    **dict.fromkeys(
        ("after", "until", "at", "name", "owner", "queue", "before", "since", "now")
    ),
    "limit": 20,
    "examined": 20,
    "skip": 0,
    "suffix": "",
    "delayed": True,
}
MIDDLE = UUID("80000000-0000-0000-0000-000000000000")
LISTS = [
    *(("list_waiting", {"delayed": delayed}) for delayed in (True, False)),
    ("list_running", {}),
    *((f"list_{kind}", {}) for kind in ("succeeded", "failed", "cancelled")),
    *(
        (f"list_worker_{kind}", {"name": name})
        for kind in ("succeeded", "failed", "cancelled")
        for name in ("w1", "rare", "absent")
    ),
]


@every_plan
@pytest.mark.parametrize("after", [None, MIDDLE], ids=["first page", "a later page"])
@pytest.mark.parametrize("suffix", ["", ":ids"])
@pytest.mark.parametrize(("name", "values"), LISTS)
def test_a_page_of_a_list_reads_little_more_than_it_gives(
    store: PostgresStore,
    postgres_dsn: str,
    name: str,
    values: dict[str, Any],
    suffix: str,
    after: UUID | None,
    plan: Plan,
) -> None:
    # A row that has not been running or delayed long is passed over; running jobs are few.
    most = 2 * 2000 + 40 if name == "list_running" else 80
    examined = 100_000 if name == "list_waiting" else PAGE["limit"]
    given = {**PAGE, **values, "after": after, "examined": examined}
    assert _read(store, postgres_dsn, f"{name}{suffix}", given, plan) <= most


@every_plan
@pytest.mark.parametrize(("name", "values"), LISTS)
def test_a_page_that_ends_at_an_id_reads_the_rows_up_to_it(
    store: PostgresStore, postgres_dsn: str, name: str, values: dict[str, Any], plan: Plan
) -> None:
    """For properties without an index, that no job has. The limit is ten times as many."""
    if name == "list_waiting":
        bound = UUID("01000000-0000-0000-0000-000000000000")
    else:
        bound = UUID("ff000000-0000-0000-0000-000000000000")
    nothing = {"queue": "absent", "owner": new_id(), "since": "infinity"}
    given = {**PAGE, **values, "until": bound, "examined": ROWS // 20, **nothing}
    if name == "list_running":
        given["until"] = UUID("01000000-0000-0000-0000-000000000000")
    assert _read(store, postgres_dsn, name, given, plan) <= ROWS / 256 * 2 + 100


@pytest.mark.parametrize("suffix", ["", ":ids"])
@pytest.mark.parametrize(
    ("name", "values", "most"),
    [
        # Frequent words are found among the last thousand failures; for rare ones, the matches
        # of the index are read too.
        ("search_failed", {"words": "often"}, 3000),
        ("search_failed", {"words": "typeerror 4711"}, 3000),
        ("search_failed", {"words": "absent"}, 3000),
        ("search_worker_failed", {"words": "rare", "name": "rare"}, 200),
        ("search_worker_failed", {"words": "absent", "name": "rare"}, 200),
    ],
)
def test_a_page_of_a_search_reads_little_more_than_it_gives(
    store: PostgresStore,
    postgres_dsn: str,
    name: str,
    suffix: str,
    values: dict[str, Any],
    most: int,
) -> None:
    assert _read(store, postgres_dsn, f"{name}{suffix}", {**PAGE, **values}) <= most


CANCEL = ("mark_waiting", "cancel_waiting", "cancel_running")
DELETE = ("delete_waiting", "delete_marked", "delete_ended", "delete_unreadable")


@pytest.mark.parametrize("names", [None, ["w1"], ["rare", "w2", "w3"], ["absent"]])
def test_counting_ends_at_its_limit(
    store: PostgresStore, postgres_dsn: str, names: list[str] | None
) -> None:
    read = _read(store, postgres_dsn, "count", {"names": names, "at_most": 100, "now": None})
    # At most twelve names and priorities; reserved jobs are few, and not indexed by worker.
    assert read <= 12 * 2 * 100 + 4 * 100 + 2000 + 50


@pytest.mark.parametrize(
    ("names", "table", "where"),
    [
        (("retry",), "jobs_failed", "true"),
        (("retry",), "jobs_cancelled", "true"),
        (("retry",), "jobs", "true"),
        (CANCEL, "jobs", "reserved_by is null"),
        (CANCEL, "jobs", "reserved_by is not null"),
        (CANCEL, "jobs_failed", "true"),
        (DELETE, "jobs", "reserved_by is null"),
        (DELETE, "jobs", f"reserved_by = '{HOOK_OWNER}'"),
        (DELETE, "jobs_failed", "true"),
        (DELETE, "jobs_cancelled", "true"),
        (("change",), "jobs", "reserved_by is null"),
        (("change",), "jobs", "reserved_by is not null"),
    ],
)
def test_changes_of_many_jobs_look_each_up(
    store: PostgresStore, postgres_dsn: str, names: tuple[str, ...], table: str, where: str
) -> None:
    values = {
        "ids": [*_ids(store, postgres_dsn, table, where), *(new_id() for _ in range(MANY))],
        "now": None,
        "reason": "no",
        "author": "ada",
        "owner": HOOK_OWNER,
        "longest": 1000,
        "available_at": None,
        "delay": 1,
        "priority": 1,
    }
    for name in names:
        assert _read(store, postgres_dsn, name, values) <= 8 * MANY


@pytest.mark.parametrize(("name", "own"), [("rare", 40), ("w1", 10_000), ("absent", 0)])
def test_pruning_a_worker_reads_its_own_jobs_alone(
    store: PostgresStore, postgres_dsn: str, name: str, own: int
) -> None:
    values: dict[str, Any] = {"name": name, "limit": MANY, "skip": 0, "now": None}
    for kind in ("succeeded", "failed", "cancelled"):
        for age, most in ((10**15, own), (0, 4 * min(own, MANY))):
            given = {**values, "kept_for": age}
            assert _read(store, postgres_dsn, f"prune_worker_{kind}", given) <= most


@every_plan
def test_entries_of_the_audit_are_listed_by_id_and_pruned_by_time(
    store: PostgresStore, postgres_dsn: str, plan: Plan
) -> None:
    page = {"after": None, "author": None, "action": None, "limit": 20}
    assert _read(store, postgres_dsn, "list_audit", page, plan) <= 40
    for age, most in ((10**15, 0), (0, 4 * MANY)):
        values = {"kept_for": age, "limit": MANY, "now": None}
        assert _read(store, postgres_dsn, "prune_audit", values, plan) <= most


def test_owners_are_forgotten_by_the_first_end_of_each_table(
    store: PostgresStore, postgres_dsn: str
) -> None:
    assert _read(store, postgres_dsn, "prune_owners", {}) <= 10


def test_commands_and_owners_read_only_the_jobs_of_their_owners(
    store: PostgresStore, postgres_dsn: str
) -> None:
    assert _read(store, postgres_dsn, "commands", {"owners": [new_id()]}) <= 10
    owners = {"now": None, "hook_owner": HOOK_OWNER}
    assert _read(store, postgres_dsn, "get_owners", owners) <= 10
    assert _read(store, postgres_dsn, "forget_cancellations", {}) <= 10


def test_the_names_of_waiting_jobs_are_read_from_an_index(
    store: PostgresStore, postgres_dsn: str
) -> None:
    assert _read(store, postgres_dsn, "get_waiting_names", {"limit": MANY}) <= 10


def test_occurrences_are_read_from_their_index(store: PostgresStore, postgres_dsn: str) -> None:
    assert _read(store, postgres_dsn, "get_occurrences", {"after": None, "limit": MANY}) <= 10


def test_ids_are_looked_up(store: PostgresStore, postgres_dsn: str) -> None:
    for first in (UUID(int=0), new_id()):
        values: dict[str, Any] = {"first": first, "last": UUID(int=2**128 - 1), "limit": 10}
        assert _read(store, postgres_dsn, "find_ids", values) <= 30


@every_plan
@pytest.mark.parametrize("names", [["w1"], ["w1", "w2", "absent"], ["absent"]])
@pytest.mark.parametrize("after", [None, MIDDLE], ids=["first page", "a later page"])
def test_marks_are_read_by_their_number(
    store: PostgresStore, postgres_dsn: str, names: list[str], after: UUID | None, plan: Plan
) -> None:
    values = {"owner": HOOK_OWNER, "names": names, "after": after, "limit": 100}
    most = 3 * MARKED + MANY  # other tests leave index entries of what they rolled back
    assert _read(store, postgres_dsn, "marked_ends", values, plan) <= most
    assert _read(store, postgres_dsn, "marked_names", values, plan) <= most


@every_plan
def test_a_mark_and_its_job_are_looked_up(
    store: PostgresStore, postgres_dsn: str, plan: Plan
) -> None:
    [job_id, *_] = _ids(store, postgres_dsn, "jobs", f"reserved_by = '{HOOK_OWNER}'")
    for one in (job_id, new_id()):
        values = {"id": one, "patience": 0, "now": None}
        assert _read(store, postgres_dsn, "begin_marked", values, plan) <= MARKED
        assert _read(store, postgres_dsn, "unmark", values, plan) <= MARKED + 4


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_job_whose_end_is_marked_is_looked_up(
    store: PostgresStore, postgres_dsn: str, state: str
) -> None:
    jobs, others = (
        f'"{schema_of(store)}".jobs',
        f"name = 'w1' and reserved_by <> '{HOOK_OWNER}'",
    )
    with psycopg.connect(postgres_dsn) as connection:
        query = f"select id, reserved_by from {jobs} where {others} limit 1"
        held = connection.execute(query.encode()).fetchall()
    for job_id, owner in (*held, (new_id(), new_id())):
        values: dict[str, Any] = {
            "ids": [job_id],
            "owners": [owner],
            "numbers": [1],
            **{one: [1] for one in ("attempts", "crashes", "interruptions")},
            **{one: ["[]"] for one in ("errors", "history")},
            "reasons": ["no"],
            "authors": [None],
            "state": state,
            "owner": HOOK_OWNER,
            "now": None,
        }
        assert _read(store, postgres_dsn, "mark_end", values) <= 10
