"""A row that cannot be read as a job costs no other job, with and without limits."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Succeed
from bgjobs.errors import RowRefusedError, StoreError, UnreadableJobError
from bgjobs.stores.pages import Page, unreadable_in
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.stores.types import NewJob, Owner
from bgjobs.testing.contract.steps import LEASE
from tests.fixtures.databases import Database, SQLiteFile
from tests.fixtures.hostile_rows import BEYOND, UNREADABLE, HostileRows
from tests.fixtures.stores import migrated, operator_of

_ALL = {**BEYOND, **UNREADABLE}


@pytest.fixture
def store(database: Database) -> Iterator[bgjobs.Store]:
    with migrated(database.store()) as store:
        yield store


@pytest.fixture
def rows(database: Database, store: bgjobs.Store) -> HostileRows:
    return HostileRows(database)


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
        [found] = unreadable_in(store.get_enqueued())
        apart += operations.set_apart([found])
    assert ran == set(good)
    assert [one.id for one in apart] == [bad]
    [column] = columns
    assert apart[0].reason.startswith(f"{column}: expected ")
    assert [one.id for one in operations.get_unreadable()] == [bad]
    assert store.get_enqueued() == []
    assert operations.count_unreadable() == 1


@pytest.mark.parametrize("table", ["jobs", "jobs_succeeded", "jobs_failed"])
def test_listings_leave_out_unreadable_rows_and_report_them(
    rows: HostileRows, store: bgjobs.Store, table: str
) -> None:
    first, bad, last = (rows.insert(table, metadata=text) for text in (None, "{", None))
    list_them = {
        "jobs": store.get_enqueued,
        "jobs_succeeded": store.get_succeeded,
        "jobs_failed": store.get_failed,
    }[table]
    found = list_them(None)
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
    assert unreadable_in(list_them(None)) == ()
    assert operations.find_unreadable(bad) == moved
    assert store.find(bad) is None


def test_a_row_that_has_changed_since_it_was_read_stays(
    rows: HostileRows, store: bgjobs.Store
) -> None:
    bad = rows.insert(metadata="{")
    waiting = unreadable_in(store.get_enqueued())
    operations = operator_of(store)
    held = unreadable_in(store.reserve(_owner(store).id, ["work"], 1))
    assert operations.set_apart(waiting) == []
    rows.run(f"update {rows.prefix}jobs set reservations = 2")
    assert operations.set_apart(held) == []
    other = "'01900000-0000-7000-8000-00000000000f'"
    rows.run(f"update {rows.prefix}jobs set reservations = 1, reserved_by = {other}")
    assert operations.set_apart(held) == []
    [read] = unreadable_in(store.get_running())
    assert [one.id for one in operations.set_apart([read, *held, *waiting])] == [bad]


def test_a_repaired_row_is_put_back_and_runs(rows: HostileRows, store: bgjobs.Store) -> None:
    ids = [
        rows.insert(table, metadata="{") for table in ("jobs", "jobs_failed", "jobs_succeeded")
    ]
    operations = operator_of(store)
    for listed in (store.get_enqueued(), store.get_failed(), store.get_succeeded()):
        operations.set_apart(unreadable_in(listed))
    assert operations.put_back(ids) == []
    rows.run(f"update {rows.prefix}jobs_unreadable set metadata = null")
    assert set(operations.put_back(ids)) == set(ids)
    assert operations.get_unreadable() == []
    assert {job.id for job in store.get_enqueued()} == {*ids[:2]}
    assert [job.id for job in store.get_succeeded()] == ids[2:]
    assert len(store.reserve(_owner(store).id, ["work"], 9)) == 2


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
    [first] = operations.set_apart(unreadable_in(store.get_enqueued()))
    rows.insert(id=str(job_id), metadata="{")
    [second] = operations.set_apart(unreadable_in(store.get_enqueued()))
    assert (first.id, second.id == job_id) == (job_id, False)
    rows.run(f"update {rows.prefix}jobs_unreadable set metadata = null")
    assert len(operations.put_back([first.id, second.id])) == 1
    assert operations.count_unreadable() == 1
    assert [job.id for job in store.get_enqueued()] == [job_id]
    assert operations.put_back([first.id, second.id]) == []


@pytest.mark.parametrize("job_id", [UUID(int=0), UUID(int=2**128 - 1)])
def test_the_first_and_the_last_id_are_listed_and_swept(
    rows: HostileRows, store: bgjobs.Store, job_id: UUID
) -> None:
    rows.insert(id=str(job_id))
    rows.insert("jobs_failed", id=str(job_id))
    rows.insert("jobs_succeeded", id=str(job_id))
    operations = operator_of(store)
    listings = (store.get_enqueued(), store.get_failed(), store.get_succeeded())
    assert [[job.id for job in jobs] for jobs in listings] == [[job_id]] * 3
    assert list(operations.get_failed_ids()) == [job_id]
    assert store.get_failed(None, Page(5).behind(store.get_failed())) == []
    owner = "'01900000-0000-7000-8000-00000000000f'"
    rows.run(
        f"update {rows.prefix}jobs set reserved_by = {owner}, reservations = 1, "
        "reserved_at = created_at"
    )
    for jobs in (store.get_running(), store.abandoned(), operations.get_named_running("work")):
        assert [job.id for job in jobs] == [job_id]


def test_a_retry_that_the_schema_refuses_names_the_cause(
    rows: HostileRows, store: bgjobs.Store
) -> None:
    rows.remove_limits()
    bad = rows.insert("jobs_failed", unique_key="", priority=-32_768)
    with pytest.raises(RowRefusedError):
        operator_of(store).retry([bad])
    assert issubclass(RowRefusedError, StoreError)


def test_a_file_may_contain_text_that_is_not_utf_8(
    sqlite_file: SQLiteFile, sqlite_store: SQLiteStore
) -> None:
    rows = HostileRows(sqlite_file)
    good = rows.insert()
    owner, operations = _owner(sqlite_store), operator_of(sqlite_store)
    for name in ("name", "payload", "unique_key", "metadata", "errors", "occurrence"):
        rows.insert("jobs", **{name: b"\xff\xfe"})
    rows.insert(id=b"\xff" * 36)
    jobs = sqlite_store.reserve(owner.id, ["work"], 9)
    assert [job.id for job in jobs] == [good]
    apart = [*operations.set_apart(unreadable_in(jobs))]
    apart += operations.set_apart(unreadable_in(sqlite_store.get_enqueued()))
    assert len(apart) == 7
    assert len(operations.get_unreadable()) == 7


@pytest.mark.parametrize("key", ["", " ", "-1", "{0}", "\U0010ffff", b"\xff"])
def test_a_page_has_rows_whose_ids_sort_before_or_after_all_valid_ids(
    sqlite_file: SQLiteFile, sqlite_store: SQLiteStore, key: str | bytes
) -> None:
    rows, tables = HostileRows(sqlite_file), ("jobs", "jobs_succeeded", "jobs_failed")
    for table in tables:
        rows.insert(table)
    connection = sqlite_file.connect()
    connection.execute("pragma ignore_check_constraints = on")
    as_bytes = key.encode() if isinstance(key, str) else key
    for table in tables:
        connection.execute(f"update bgjobs_{table} set id = cast(? as text)", [as_bytes])
    connection.commit()
    operations = operator_of(sqlite_store)
    waiting = (sqlite_store.get_enqueued(), operations.get_waiting(delayed=False))
    assert [len(unreadable_in(page)) for page in waiting] == [1, 1]
    connection.execute(
        "update bgjobs_jobs set reserved_at = 0, reservations = 1, reserved_by = ?",
        ["01900000-0000-7000-8000-00000000000f"],
    )
    connection.commit()
    connection.close()
    pages = (
        sqlite_store.abandoned(),
        sqlite_store.get_running(),
        operations.get_named_running("work"),
        sqlite_store.get_succeeded(),
        sqlite_store.get_succeeded("work"),
        sqlite_store.get_failed(),
        sqlite_store.get_failed("work"),
    )
    assert [len(unreadable_in(page)) for page in pages] == [1] * len(pages)
    assert operations.find_ids(UUID(int=0), UUID(int=2**128 - 1), 9) == []
    assert len(operations.set_apart([*unreadable_in(pages[0]), *unreadable_in(pages[5])])) == 2


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
    listed = list[UUID]()
    while page := operations.get_unreadable(
        bgjobs.Page(2, after=listed[-1] if listed else None)
    ):
        listed += [one.id for one in page]
    assert len(listed) == len(set(listed)) == len(odd) + 1
    assert listed[0] == UUID(good)
    for job_id in listed:
        found = operations.find_unreadable(job_id)
        assert found is not None
        assert found.id == job_id


def test_a_row_is_found_by_its_own_id_before_one_of_a_job_of_this_id(
    rows: HostileRows, store: bgjobs.Store
) -> None:
    bad = rows.insert(metadata="{")
    operations = operator_of(store)
    [moved] = operations.set_apart(unreadable_in(store.get_enqueued()))
    is_postgres = rows.prefix != "bgjobs_"
    at = "2030-01-01 00:00:00+00" if is_postgres else 0
    other = "00000000-0000-4000-8000-000000000001"
    row = {"id": other, "origin": "jobs", "reason": "x", "found_at": at, "job_id": str(bad)}
    rows.execute("jobs_unreadable", row)
    assert moved.id == bad
    assert operations.find_unreadable(bad) == moved
