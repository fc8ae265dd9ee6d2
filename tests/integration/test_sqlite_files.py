"""What is particular to a file: modes, versions of the schema, faults, forks."""

import os
import sqlite3
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from bgjobs._core.ids import new_id
from bgjobs.errors import (
    ForkedStoreError,
    SchemaMismatchError,
    StoreError,
    StoreUnavailableError,
)
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.stores.types import ANY_CHANGE, NewJob, Notice
from bgjobs.testing.contract.steps import (
    NOW,
    ask,
    enqueued,
    hold,
    listed,
    put_one,
    start,
    succeed,
    take,
)
from tests.fixtures.sqlite import fresh_sqlite_store
from tests.fixtures.stores import MIGRATIONS, opened


def test_the_files_are_private(sqlite_path: Path, sqlite_store: SQLiteStore) -> None:
    put_one(sqlite_store)
    modes = {
        file.name: stat.S_IMODE(file.stat().st_mode) for file in sqlite_path.parent.iterdir()
    }
    names = ["jobs.db", "jobs.db-shm", "jobs.db-wal", ".jobs.db.lock"]
    assert modes == dict.fromkeys(names, 0o600)


def test_the_mode_of_a_file_that_exists_is_kept(sqlite_path: Path) -> None:
    sqlite_path.touch(0o644)
    with fresh_sqlite_store(sqlite_path):
        assert stat.S_IMODE(sqlite_path.stat().st_mode) == 0o644


def test_jobs_outlive_the_store(sqlite_path: Path) -> None:
    with fresh_sqlite_store(sqlite_path) as store:
        job = put_one(store)
    with fresh_sqlite_store(sqlite_path) as store:
        assert store.find(job.id) == job


def test_table_prefixes_keep_stores_apart(sqlite_path: Path) -> None:
    with (
        fresh_sqlite_store(sqlite_path) as one,
        fresh_sqlite_store(sqlite_path, table_prefix="other_") as other,
    ):
        job = put_one(one)
        assert other.find(job.id) is None


@pytest.mark.parametrize("prefix", ["", 'a"b', "A_", "9_", "x" * 42, "a b"])
def test_a_prefix_that_is_no_identifier_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="table_prefix: expected"):
        SQLiteStore(":memory:", table_prefix=prefix)


def test_a_new_file_has_schema_version_0(sqlite_path: Path) -> None:
    with opened(SQLiteStore(sqlite_path)) as store:
        with pytest.raises(SchemaMismatchError, match="expected schema version 10, found 0"):
            store.check_schema()
        assert store.migrate() == MIGRATIONS
        store.check_schema()


def test_a_newer_schema_is_refused_and_left_alone(
    sqlite_path: Path, sqlite_store: SQLiteStore
) -> None:
    with sqlite3.connect(sqlite_path) as raw:
        raw.execute("insert into bgjobs_migrations values (11, '0011_later', 0)")
    raw.close()
    for verb in (sqlite_store.migrate, sqlite_store.check_schema):
        with pytest.raises(SchemaMismatchError) as caught:
            verb()
        assert (caught.value.found, caught.value.expected) == (11, 10)
    with sqlite3.connect(sqlite_path) as raw:
        found = raw.execute("select version from bgjobs_migrations").fetchall()
    raw.close()
    assert found == [(number,) for number in range(1, 12)]


def test_a_locked_file_is_unavailable(sqlite_path: Path) -> None:
    with fresh_sqlite_store(sqlite_path, busy_timeout=0.01) as store:
        raw = sqlite3.connect(sqlite_path, isolation_level=None)
        raw.execute("begin immediate")
        with pytest.raises(StoreUnavailableError, match=r"locked \(SQLITE_BUSY\)") as caught:
            put_one(store)
        assert str(sqlite_path) in str(caught.value)
        assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
        assert list(enqueued(store)) == [], "reading goes on"
        raw.execute("rollback")
        raw.close()
        put_one(store)


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "absent" / "jobs.db")
    with pytest.raises(StoreUnavailableError, match="No such file or directory"):
        store.open()
    store.close()


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("file::memory:?cache=shared", "the URI 'file::memory:?cache=shared'; name the file"),
        ("file:jobs.db", "the URI 'file:jobs.db'; name the file"),
        ("FILE:jobs.db?mode=ro", "the URI 'FILE:jobs.db?mode=ro'; name the file"),
        (":memory", "':memory'"),
        (" :memory:", "' :memory:'"),
        ("", "an empty one"),
        (" ", "an empty one"),
        (".", "the folder '.'"),
        ("new/", "the folder 'new/'"),
        ("jobs\0.db", "one with a null character"),
    ],
)
def test_what_is_no_name_of_a_file_is_refused(
    path: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"^path: ") as caught:
        SQLiteStore(path)
    text = f"path: expected the name of a file or ':memory:', found {found}"
    assert str(caught.value).startswith(text)
    assert list(tmp_path.iterdir()) == []


def test_a_path_of_another_kind_is_refused(tmp_path: Path) -> None:
    wrong: Any = b"jobs.db"
    with pytest.raises(TypeError, match=r"^path: expected str, found bytes$"):
        SQLiteStore(wrong)
    with pytest.raises(ValueError, match="found the folder"):
        SQLiteStore(tmp_path)


@pytest.mark.parametrize("name", ["jobs?mode=memory.db", "jobs#1%20.db", "./file:jobs.db"])
def test_a_name_with_signs_of_uris_is_that_of_a_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = SQLiteStore(name)
    store.open()
    store.close()
    assert (tmp_path / name).exists()


def test_a_file_that_is_no_database_is_an_error(sqlite_path: Path) -> None:
    sqlite_path.write_text("this is not a database, but long enough to be taken for one" * 20)
    with pytest.raises(StoreError, match="not a database") as caught:
        SQLiteStore(sqlite_path).open()
    assert not isinstance(caught.value, StoreUnavailableError)


def test_a_missing_table_is_an_error_and_not_an_outage(sqlite_path: Path) -> None:
    with (
        opened(SQLiteStore(sqlite_path)) as store,
        pytest.raises(StoreError, match="no such table") as caught,
    ):
        enqueued(store)
    assert not isinstance(caught.value, StoreUnavailableError)


def test_work_that_ends_the_transaction_is_told_so(sqlite_store: SQLiteStore) -> None:
    def commit_and_begin(raw: sqlite3.Connection) -> None:
        raw.execute("commit")
        raw.execute("begin")

    endings: list[Callable[[sqlite3.Connection], Any]] = [
        lambda raw: raw.commit(),
        lambda raw: raw.rollback(),
        commit_and_begin,
    ]
    for ending in endings:
        with pytest.raises(StoreError, match="complete_with must neither commit nor roll back"):
            sqlite_store.complete(hold(sqlite_store).reservation, ending, now=NOW)
        sqlite_store.close_owners(now=NOW)
        sqlite_store.write(
            settle=[succeed(job) for job in listed(sqlite_store, "running")], now=NOW
        )


def test_work_may_set_factories(sqlite_store: SQLiteStore) -> None:
    def work(raw: sqlite3.Connection) -> None:
        raw.row_factory = sqlite3.Row
        raw.text_factory = bytes

    assert sqlite_store.complete(hold(sqlite_store).reservation, work, now=NOW)
    assert hold(sqlite_store).name == "mail"


def test_work_may_not_call_the_store(sqlite_store: SQLiteStore) -> None:
    with pytest.raises(StoreError, match="transaction within a transaction"):
        sqlite_store.complete(
            hold(sqlite_store).reservation, lambda _: put_one(sqlite_store), now=NOW
        )


def test_work_may_enqueue_in_its_transaction(sqlite_store: SQLiteStore) -> None:
    held = hold(sqlite_store)
    assert sqlite_store.complete(
        held.reservation, lambda raw: sqlite_store.enqueue_in(raw, [ask("next")]), now=NOW
    )
    assert len(enqueued(sqlite_store, "next")) == 1


def test_a_write_repeated_after_its_job_has_ended_stores_nothing(
    sqlite_store: SQLiteStore,
) -> None:
    new = NewJob(new_id(), ask())
    first = sqlite_store.write([new], now=NOW)
    held = take(sqlite_store, start(sqlite_store))
    sqlite_store.write(settle=[succeed(held[0])], now=NOW)
    again = sqlite_store.write([evolve(new, repeated=True)], now=NOW)
    assert list(again.jobs) == list(first.jobs)
    assert list(enqueued(sqlite_store)) == []


def test_the_clock_of_the_store_can_be_given(sqlite_path: Path) -> None:
    with fresh_sqlite_store(sqlite_path, clock=lambda: NOW) as store:
        assert store.heartbeat([], timedelta(1)).now == NOW


def test_the_clock_is_read_behind_the_wait_for_the_lock(sqlite_path: Path) -> None:
    """Else a lease that ends while another process writes would be renewed after its end."""
    inside: list[bool] = []

    def clock() -> datetime:
        with sqlite3.connect(sqlite_path, timeout=0) as other:
            try:
                other.execute("begin immediate")
            except sqlite3.OperationalError:
                inside.append(True)
        other.close()
        return datetime.now(UTC)

    with fresh_sqlite_store(sqlite_path):
        """Make the tables; a clock that writes cannot be read while they are made."""
    with fresh_sqlite_store(sqlite_path, clock=clock) as store:
        inside.clear()
        store.heartbeat([new_id()], timedelta(1))
        store.reserve(new_id(), ["mail"], 1)
    assert inside == [True, True]


def test_a_library_that_is_too_old_is_refused(
    sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    with pytest.raises(StoreError, match=r"expected version 3\.37\.0 or newer"):
        SQLiteStore(sqlite_path).open()
    assert not sqlite_path.exists()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_store_is_refused(sqlite_path: Path, sqlite_store: SQLiteStore) -> None:
    job = put_one(sqlite_store)
    child = os.fork()
    if child == 0:
        os._exit(_use_after_fork(sqlite_store, sqlite_path))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert sqlite_store.find(job.id) == job
    put_one(sqlite_store)


def _use_after_fork(store: SQLiteStore, path: Path) -> int:
    verbs: list[Callable[[], object]] = [
        store.open,
        lambda: enqueued(store),
        store.migrate,
        lambda: put_one(store),
        lambda: store.heartbeat([], timedelta(1)),
        store.watch,
    ]
    for number, verb in enumerate(verbs, 1):
        try:
            verb()
        except ForkedStoreError:
            continue
        return number
    store.close()
    with fresh_sqlite_store(path) as own:
        return 0 if len(enqueued(own)) == 1 else 99


def test_a_watcher_sees_a_commit_once(sqlite_path: Path, sqlite_store: SQLiteStore) -> None:
    watcher = sqlite_store.watch()
    assert watcher is not None
    assert watcher.poll() == Notice()
    with fresh_sqlite_store(sqlite_path) as other:
        put_one(other)
    assert watcher.poll() == ANY_CHANGE
    assert watcher.poll() == Notice()
    watcher.close()


def test_a_closed_watcher_is_unavailable(sqlite_store: SQLiteStore) -> None:
    watcher = sqlite_store.watch()
    assert watcher is not None
    watcher.close()
    with pytest.raises(StoreUnavailableError):
        watcher.poll()


def test_memory_has_no_watcher_and_one_connection() -> None:
    with fresh_sqlite_store(":memory:") as store:
        assert store.watch() is None
        assert store.connections == 1


def test_a_heartbeat_waits_for_no_verb_of_its_process(sqlite_store: SQLiteStore) -> None:
    """Not even for the locks of the writer and the reader."""
    owner = start(sqlite_store)
    with (
        ThreadPoolExecutor(1) as pool,
        sqlite_store._executor.connections.writer._lock,
        sqlite_store._executor.connections.reader._lock,
    ):
        beat = pool.submit(sqlite_store.heartbeat, [owner], timedelta(1), now=NOW).result(30)
    assert set(beat.alive) == {owner}
