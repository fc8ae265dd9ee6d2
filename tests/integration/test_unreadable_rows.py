"""A row that cannot be read as a job costs no other job, with and without limits."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any
from uuid import UUID

import pytest

import bgjobs
from bgjobs._core.history import PastEnd
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import EndState, State
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Succeed
from bgjobs.errors import RowRefusedError, StoreError, UnreadableJobError
from bgjobs.stores.filters import JobFilter
from bgjobs.stores.pages import Listing, Page, unreadable_in
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.stores.types import NewJob, Owner
from bgjobs.testing.contract.steps import ENDS, LEASE, enqueued, listed, walk
from tests.fixtures.databases import Database, SQLiteFile
from tests.fixtures.hostile_rows import BEYOND, UNREADABLE, UNREADABLE_HISTORIES, HostileRows
from tests.fixtures.stores import migrated, operator_of


def _ended(state: EndState, store: bgjobs.Store) -> Listing[Any]:
    return listed(store, state)


_ALL = {**BEYOND, **UNREADABLE, **UNREADABLE_HISTORIES}


@pytest.fixture
def store(database: Database) -> Iterator[bgjobs.Store]:
    with migrated(database.store()) as store:
        yield store


@pytest.fixture
def rows(database: Database, store: bgjobs.Store) -> HostileRows:
    return HostileRows(database)


LISTINGS: Mapping[str, Callable[[bgjobs.Store], Listing[Any]]] = {
    "jobs": enqueued,
    **{f"jobs_{state}": partial(_ended, state) for state in ENDS},
}
"""The listings of each table."""


def _listings(store: bgjobs.Store) -> list[Listing[Any]]:
    return [read(store) for read in LISTINGS.values()]


def _owner(store: bgjobs.Store) -> Owner:
    owner = Owner(new_id(), "queue", "node")
    store.open_owner(owner, LEASE)
    return owner


@pytest.mark.parametrize("columns", BEYOND.values(), ids=[*BEYOND])
def test_the_schema_refuses_values_beyond_its_limits(
    rows: HostileRows, columns: Mapping[str, Any]
) -> None:
    with pytest.raises(Exception, match="limits"):
        rows.insert(**columns)


@pytest.mark.parametrize("columns", _ALL.values(), ids=[*_ALL])
def test_a_row_that_cannot_be_read_costs_no_other_job(
    rows: HostileRows, store: bgjobs.Store, columns: Mapping[str, Any]
) -> None:
    rows.remove_limits()
    good = [rows.insert(), rows.insert()]
    bad = rows.insert(**columns)
    good.append(rows.insert())
    owner, operations = _owner(store), operator_of(store)
    ran = set[UUID]()
    apart: list[bgjobs.UnreadableJob] = []
    for _ in range(4):
        jobs = store.reserve(owner.id, ["work"], 10)
        ran |= {job.id for job in jobs}
        store.write(settle=[Succeed(job.reservation) for job in jobs])
        apart += operations.set_apart(unreadable_in(jobs))
    if columns.get("available_at") == "far" or "name" in columns:
        [found] = enqueued(store).unreadable
        apart += operations.set_apart([found])
    assert ran == set(good)
    assert [one.id for one in apart] == [bad]
    [column] = columns
    assert apart[0].reason.startswith(f"{column}: expected ")
    assert [one.id for one in listed(store, "unreadable")] == [bad]
    assert enqueued(store) == []
    assert operations.count_unreadable() == 1


def test_a_copied_text_that_is_not_utf_8_is_replaced_in_a_history(
    rows: HostileRows, store: bgjobs.Store
) -> None:
    """SQL copies the text and the author of an end, without a look at them."""
    job_id = rows.insert(history='[["end","failed",0,"a\\ud800","b\\udfff",0,"ada"]]')
    [job] = store.reserve(_owner(store).id, ["work"], 1)
    [end] = job.history
    assert isinstance(end, PastEnd)
    assert (job.id, end.text, end.by, end.retried_by) == (job_id, "a?", "b?", "ada")


@pytest.mark.parametrize("table", LISTINGS)
def test_listings_leave_out_unreadable_rows_and_report_them(
    rows: HostileRows, store: bgjobs.Store, table: str
) -> None:
    first, bad, last = (rows.insert(table, metadata=text) for text in (None, "{", None))
    found = LISTINGS[table](store)
    assert {job.id for job in found} == {first, last}
    [apart] = unreadable_in(found)
    assert (apart.id, apart.table, apart.found_at) == (bad, table, None)
    assert apart.columns["metadata"] == "{"
    with pytest.raises(
        UnreadableJobError, match=f"job {bad} cannot be read: metadata: expected"
    ):
        store.find(bad)
    operations = operator_of(store)
    [moved] = operations.set_apart([apart])
    assert (moved.id, moved.reason) == (bad, apart.reason)
    assert operations.set_apart([apart]) == []
    assert list(unreadable_in(LISTINGS[table](store))) == []
    assert operations.find_unreadable(bad) == moved
    assert store.find(bad) is None


def test_a_row_that_has_changed_since_it_was_read_stays(
    rows: HostileRows, store: bgjobs.Store
) -> None:
    bad = rows.insert(metadata="{")
    waiting = enqueued(store).unreadable
    operations = operator_of(store)
    held = unreadable_in(store.reserve(_owner(store).id, ["work"], 1))
    assert operations.set_apart(waiting) == []
    rows.run(f"update {rows.prefix}jobs set reservations = 2")
    assert operations.set_apart(held) == []
    other = "'01900000-0000-7000-8000-00000000000f'"
    rows.run(f"update {rows.prefix}jobs set reservations = 1, reserved_by = {other}")
    assert operations.set_apart(held) == []
    [read] = listed(store, "running").unreadable
    assert [one.id for one in operations.set_apart([read, *held, *waiting])] == [bad]


def test_a_repaired_row_is_put_back_and_runs(rows: HostileRows, store: bgjobs.Store) -> None:
    ids = [rows.insert(table, metadata="{") for table in LISTINGS]
    succeeded = ids[list(LISTINGS).index("jobs_succeeded")]
    operations = operator_of(store)
    for found in _listings(store):
        operations.set_apart(found.unreadable)
    assert operations.put_back(ids) == []
    rows.run(f"update {rows.prefix}jobs_unreadable set metadata = null")
    assert set(operations.put_back(ids)) == set(ids)
    assert listed(store, "unreadable") == []
    assert {job.id for job in enqueued(store)} == set(ids) - {succeeded}
    assert [job.id for job in listed(store, "succeeded")] == [succeeded]
    assert len(store.reserve(_owner(store).id, ["work"], 9)) == 3


def test_a_key_that_is_taken_by_an_unreadable_row_is_refused(
    rows: HostileRows, store: bgjobs.Store
) -> None:
    bad = rows.insert(unique_key="k", metadata="{")
    new = NewJob(new_id(), JobRequest("work", "[]").unique("k"), repeated=True)
    with pytest.raises(UnreadableJobError) as refused:
        store.write([new])
    with pytest.raises(UnreadableJobError):
        store.find_unique("work", "k")
    assert refused.value.job.id == bad
    operator_of(store).set_apart([refused.value.job])
    assert [job.id for job in store.write([new]).jobs] == [new.id]


def test_one_of_two_rows_of_a_job_is_put_back(rows: HostileRows, store: bgjobs.Store) -> None:
    job_id = rows.insert(metadata="{")
    operations = operator_of(store)
    [first] = operations.set_apart(enqueued(store).unreadable)
    rows.insert(id=str(job_id), metadata="{")
    [second] = operations.set_apart(enqueued(store).unreadable)
    assert (first.id, second.id == job_id) == (job_id, False)
    rows.run(f"update {rows.prefix}jobs_unreadable set metadata = null")
    assert len(operations.put_back([first.id, second.id])) == 1
    assert operations.count_unreadable() == 1
    assert [job.id for job in enqueued(store)] == [job_id]
    assert operations.put_back([first.id, second.id]) == []


@pytest.mark.parametrize("job_id", [UUID(int=0), UUID(int=2**128 - 1)])
def test_the_first_and_the_last_id_are_listed_and_swept(
    rows: HostileRows, store: bgjobs.Store, job_id: UUID
) -> None:
    for table in LISTINGS:
        rows.insert(table, id=str(job_id))
    operations = operator_of(store)
    assert [[job.id for job in jobs] for jobs in _listings(store)] == [[job_id]] * 4
    for state in ENDS:
        assert operations.list_ids(JobFilter(state)) == [job_id]
        assert listed(store, state, Page(5).behind(listed(store, state))) == []
    owner = "'01900000-0000-7000-8000-00000000000f'"
    rows.run(
        f"update {rows.prefix}jobs set reserved_by = {owner}, reservations = 1, "
        "reserved_at = created_at"
    )
    running = (listed(store, "running"), listed(store, "running", name="work"))
    for jobs in (*running, store.abandoned()):
        assert [job.id for job in jobs] == [job_id]


def test_a_retry_that_the_schema_refuses_names_the_cause(
    rows: HostileRows, store: bgjobs.Store
) -> None:
    rows.remove_limits()
    for table in ("jobs_failed", "jobs_cancelled"):
        bad = rows.insert(table, unique_key="", priority=-32_768)
        with pytest.raises(RowRefusedError):
            operator_of(store).retry([bad])
    assert issubclass(RowRefusedError, StoreError)


def test_a_file_may_contain_text_that_is_not_utf_8(
    sqlite_file: SQLiteFile, sqlite_store: SQLiteStore
) -> None:
    rows = HostileRows(sqlite_file)
    good = rows.insert()
    owner, operations = _owner(sqlite_store), operator_of(sqlite_store)
    texts = ("name", "payload", "unique_key", "metadata", "errors", "occurrence", "history")
    for name in texts:
        rows.insert("jobs", **{name: b"\xff\xfe"})
    rows.insert(id=b"\xff" * 36)
    jobs = sqlite_store.reserve(owner.id, ["work"], 9)
    assert [job.id for job in jobs] == [good]
    apart = [*operations.set_apart(unreadable_in(jobs))]
    apart += operations.set_apart(enqueued(sqlite_store).unreadable)
    for name in (*texts, "cancel_reason", "cancelled_by"):
        rows.insert("jobs_cancelled", **{name: b"\xff\xfe"})
    apart += operations.set_apart(listed(sqlite_store, "cancelled").unreadable)
    assert len(apart) == len(listed(sqlite_store, "unreadable")) == 8 + 9


@pytest.mark.parametrize("key", ["", " ", "-1", "{0}", "\U0010ffff", b"\xff"])
def test_a_page_has_rows_whose_ids_sort_before_or_after_all_valid_ids(
    sqlite_file: SQLiteFile, sqlite_store: SQLiteStore, key: str | bytes
) -> None:
    rows = HostileRows(sqlite_file)
    for table in LISTINGS:
        rows.insert(table)
    connection = sqlite_file.connect()
    connection.execute("pragma ignore_check_constraints = on")
    as_bytes = key.encode() if isinstance(key, str) else key
    for table in LISTINGS:
        connection.execute(f"update bgjobs_{table} set id = cast(? as text)", [as_bytes])
    connection.commit()
    operations = operator_of(sqlite_store)
    waiting = (listed(sqlite_store, "waiting"), listed(sqlite_store, "waiting", name="work"))
    assert [len(page.unreadable) for page in waiting] == [1, 1]
    connection.execute(
        "update bgjobs_jobs set reserved_at = 0, reservations = 1, reserved_by = ?",
        ["01900000-0000-7000-8000-00000000000f"],
    )
    connection.commit()
    connection.close()
    states: tuple[State, ...] = ("running", *ENDS)
    pages = [
        listed(sqlite_store, state, name=name) for state in states for name in (None, "work")
    ]
    assert [len(page.unreadable) for page in pages] == [1] * len(pages)
    assert operations.find_ids(UUID(int=0), UUID(int=2**128 - 1), 9) == []
    abandoned = unreadable_in(sqlite_store.abandoned())
    ended = [one for page in pages[2::2] for one in page.unreadable]
    assert len(operations.set_apart([*abandoned, *ended])) == 4


def test_an_unreadable_row_without_an_id_gets_one(
    sqlite_file: SQLiteFile,
    sqlite_store: SQLiteStore,
) -> None:
    rows, good = HostileRows(sqlite_file), str(new_id())
    odd = ("", "x" * 36, b"\xff" * 36, good.upper(), good.replace("-", ""), f"{{{good}}}")
    row = {"origin": "jobs", "reason": "x", "found_at": 0, "job_id": good}
    for key in (*odd, good):
        rows.execute("jobs_unreadable", {**row, "id": key})
    operations = operator_of(sqlite_store)
    found = [one.id for one in walk(sqlite_store, "unreadable", 2)]
    assert len(found) == len(set(found)) == len(odd) + 1
    assert found[0] == UUID(good)
    for job_id in found:
        one = operations.find_unreadable(job_id)
        assert one is not None
        assert one.id == job_id


def test_a_row_is_found_by_its_own_id_before_one_of_a_job_of_this_id(
    rows: HostileRows, store: bgjobs.Store
) -> None:
    bad = rows.insert(metadata="{")
    operations = operator_of(store)
    [moved] = operations.set_apart(enqueued(store).unreadable)
    is_postgres = rows.prefix != "bgjobs_"
    at = "2030-01-01 00:00:00+00" if is_postgres else 0
    other = "00000000-0000-4000-8000-000000000001"
    row = {"id": other, "origin": "jobs", "reason": "x", "found_at": at, "job_id": str(bad)}
    rows.execute("jobs_unreadable", row)
    assert moved.id == bad
    assert operations.find_unreadable(bad) == moved
