"""What the function given to `complete` may do to the connection, and errors in it."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest

from bgjobs._core.jobs import SucceededJob
from bgjobs._runtime.persistence.work_errors import WorkUnavailableError
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.testing.contract.steps import NOW, ask, enqueued, hold, put_one
from tests.fixtures.sqlite import fresh_sqlite_store

Work = Callable[[sqlite3.Connection], object]


def _close(raw: sqlite3.Connection) -> None:
    with closing(raw):
        raw.execute("create table effects (number integer)")


def _commit_elsewhere(path: Path) -> None:
    with fresh_sqlite_store(path) as other:
        put_one(other, "waiting")


def _goes_on(store: SQLiteStore) -> bool:
    return store.complete(hold(store).reservation, lambda raw: raw.execute("select 1"), now=NOW)


def test_work_that_closes_the_connection_is_refused(sqlite_store: SQLiteStore) -> None:
    held = hold(sqlite_store)
    with pytest.raises(StoreError, match="nor close the connection") as caught:
        sqlite_store.complete(held.reservation, _close, now=NOW)
    assert not isinstance(caught.value, StoreUnavailableError)
    assert sqlite_store.find(held.id) == held
    assert _goes_on(sqlite_store)


def test_an_error_of_work_that_closed_the_connection_goes_out(
    sqlite_store: SQLiteStore,
) -> None:
    def work(raw: sqlite3.Connection) -> None:
        with closing(raw):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        sqlite_store.complete(hold(sqlite_store).reservation, work, now=NOW)
    assert _goes_on(sqlite_store)


def test_the_new_connection_has_the_settings_of_the_first(sqlite_store: SQLiteStore) -> None:
    names = ("trusted_schema", "synchronous", "journal_mode", "busy_timeout")

    def settings() -> list[Any]:
        raw = sqlite_store._executor.connections.writer.raw
        return [raw.execute(f"pragma {name}").fetchone() for name in names]

    before = settings()
    with suppress(StoreError):
        sqlite_store.complete(hold(sqlite_store).reservation, _close, now=NOW)
    put_one(sqlite_store)
    assert settings() == before


def test_a_store_that_was_closed_does_not_reconnect(sqlite_store: SQLiteStore) -> None:
    """Not even for a verb that had waited for the connection."""
    writer = sqlite_store._executor.connections.writer
    sqlite_store.close()
    with pytest.raises(StoreError, match="closed database"), writer.writing():
        pass


def test_memory_that_work_closed_is_lost_and_every_verb_raises() -> None:
    with fresh_sqlite_store(":memory:") as store:
        with pytest.raises(StoreError, match="nor close the connection"):
            store.complete(hold(store).reservation, _close, now=NOW)
        for verb in (lambda: put_one(store), lambda: enqueued(store)):
            with pytest.raises(StoreError, match="closed database") as caught:
                verb()
            assert not isinstance(caught.value, StoreUnavailableError)


def test_a_cursor_that_work_keeps_half_read_blocks_no_other_verb(
    sqlite_path: Path, sqlite_store: SQLiteStore
) -> None:
    for _ in range(2):
        put_one(sqlite_store, "waiting")
    kept: list[Iterator[Any]] = []

    def work(raw: sqlite3.Connection) -> None:
        kept.append(raw.execute("select id from bgjobs_jobs"))
        next(kept[0])

    assert sqlite_store.complete(hold(sqlite_store).reservation, work, now=NOW)
    _commit_elsewhere(sqlite_path)
    assert _goes_on(sqlite_store)
    assert kept


def test_a_cursor_that_an_error_of_work_keeps_alive_blocks_no_other_verb(
    sqlite_path: Path, sqlite_store: SQLiteStore
) -> None:
    for _ in range(2):
        put_one(sqlite_store, "waiting")

    def work(raw: sqlite3.Connection) -> None:
        rows = raw.execute("select id from bgjobs_jobs")
        raise LookupError(next(rows))

    with pytest.raises(LookupError) as caught:
        sqlite_store.complete(hold(sqlite_store).reservation, work, now=NOW)
    _commit_elsewhere(sqlite_path)
    assert _goes_on(sqlite_store)
    assert caught.value.__traceback__ is not None


def _commits(raw: sqlite3.Connection) -> None:
    raw.execute("create table effects (number integer)")
    raw.commit()


def _commits_by_a_statement(raw: sqlite3.Connection) -> None:
    raw.execute("create table effects (number integer)")
    raw.execute("commit")  # the store has run the same text before


def _commits_by_a_script(raw: sqlite3.Connection) -> None:
    raw.executescript("create table effects (number integer); insert into effects values (1)")


def _commits_by_a_block(raw: sqlite3.Connection) -> None:
    with raw:
        raw.execute("create table effects (number integer)")


def _commits_by_a_setting(raw: sqlite3.Connection) -> None:
    raw.isolation_level = "IMMEDIATE"
    raw.execute("create table effects (number integer)")
    raw.isolation_level = None


def _commits_and_hides_it(raw: sqlite3.Connection) -> None:
    raw.execute("create table effects (number integer)")
    with suppress(sqlite3.Error):
        raw.commit()


def _rolls_back(raw: sqlite3.Connection) -> None:
    raw.execute("create table effects (number integer)")
    raw.rollback()


def _rolls_back_by_a_conflict(raw: sqlite3.Connection) -> None:
    raw.execute("create table effects (number integer primary key)")
    for _ in range(2):
        with suppress(sqlite3.IntegrityError):
            raw.execute("insert or rollback into effects values (1)")
    raw.execute("create table effects_by_themselves (number integer)")


@pytest.mark.parametrize(
    "writing",
    [
        "insert into effects values (1)",
        "replace into effects values (1)",
        "/* a comment */ insert into effects select 1",
        "create table if not exists more (number integer)",
    ],
)
@pytest.mark.parametrize("is_hidden", [True, False])
def test_a_statement_prepared_before_the_transaction_ended_writes_nothing_behind_it(
    sqlite_store: SQLiteStore, writing: str, is_hidden: bool
) -> None:
    def make(raw: sqlite3.Connection) -> None:
        raw.execute("create table effects (number integer)")
        raw.execute("create table kept (number integer primary key)")
        raw.execute("insert into kept values (1)")

    def work(raw: sqlite3.Connection) -> None:
        raw.execute(writing)
        with suppress(sqlite3.IntegrityError):
            raw.execute("insert or rollback into kept values (1)")
        with suppress(sqlite3.Error) if is_hidden else nullcontext():
            raw.execute(writing)

    assert sqlite_store.complete(hold(sqlite_store).reservation, make, now=NOW)
    held = hold(sqlite_store)
    with pytest.raises(StoreError, match="must neither commit nor roll back"):
        sqlite_store.complete(held.reservation, work, now=NOW)
    raw = sqlite_store._executor.connections.writer.raw
    assert raw.execute("select count(*) from effects").fetchone() == (0,)
    assert raw.execute("select count(*) from sqlite_schema where name = 'more'").fetchone() == (
        0,
    )
    assert raw.isolation_level is None
    assert sqlite_store.find(held.id) == held
    assert _goes_on(sqlite_store)


def test_work_that_sets_another_authorizer_does_not_commit_by_it(
    sqlite_store: SQLiteStore,
) -> None:
    held = hold(sqlite_store)

    def work(raw: sqlite3.Connection) -> None:
        raw.execute("create table effects (number integer)")
        raw.set_authorizer(None)

    assert sqlite_store.complete(held.reservation, work, now=NOW)
    assert isinstance(sqlite_store.find(held.id), SucceededJob)
    assert (
        sqlite_store._executor.connections.writer.raw.execute(
            "select * from effects"
        ).fetchall()
        == []
    )
    assert _goes_on(sqlite_store)


@pytest.mark.parametrize("path", ["jobs.db", ":memory:"])
@pytest.mark.parametrize(
    "work",
    [
        *(_commits, _commits_by_a_statement, _commits_by_a_script, _commits_by_a_block),
        *(_commits_by_a_setting, _commits_and_hides_it, _rolls_back),
        _rolls_back_by_a_conflict,
    ],
)
def test_work_that_would_end_the_transaction_is_refused_and_writes_nothing(
    work: Work, path: str, tmp_path: Path
) -> None:
    with fresh_sqlite_store(path if path == ":memory:" else tmp_path / path) as store:
        held = hold(store, unique_key="k")
        with pytest.raises(StoreError, match="must neither commit nor roll back") as caught:
            store.complete(held.reservation, work, now=NOW)
        assert not isinstance(caught.value, StoreUnavailableError)
        assert "the job has not succeeded" in str(caught.value)
        assert store.find(held.id) == held
        count = "select count(*) from sqlite_schema where name like 'effects%'"
        assert store._executor.connections.writer.raw.execute(count).fetchone() == (0,)
        assert store._executor.connections.writer.raw.isolation_level is None
        assert _goes_on(store)


def test_an_error_behind_a_refused_commit_goes_out(sqlite_store: SQLiteStore) -> None:
    held = hold(sqlite_store)

    def work(raw: sqlite3.Connection) -> None:
        _commits_and_hides_it(raw)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        sqlite_store.complete(held.reservation, work, now=NOW)
    assert sqlite_store.find(held.id) == held
    assert _goes_on(sqlite_store)


def test_work_may_use_savepoints_and_enqueue_under_its_own_key(
    sqlite_store: SQLiteStore,
) -> None:
    held = hold(sqlite_store, unique_key="k")

    def work(raw: sqlite3.Connection) -> None:
        raw.execute("savepoint mine")
        sqlite_store.enqueue_in(raw, [ask(unique_key="k")], now=NOW)
        raw.execute("release mine")

    assert sqlite_store.complete(held.reservation, work, now=NOW)
    [following] = enqueued(sqlite_store)
    assert (following.unique_key, following.id == held.id) == ("k", False)


def _leave_unfinished(raw: sqlite3.Connection) -> sqlite3.Cursor:
    raw.execute("create table effects (number integer)")
    cursor = raw.execute("insert into effects values (1), (2) returning number")
    cursor.fetchone()
    return cursor


def test_a_write_that_work_leaves_unfinished_is_its_own_error(
    sqlite_store: SQLiteStore,
) -> None:
    kept: list[object] = []

    def work(raw: sqlite3.Connection) -> None:
        kept.append(_leave_unfinished(raw))

    with pytest.raises(StoreError, match="statements in progress") as caught:
        sqlite_store.complete(hold(sqlite_store).reservation, work, now=NOW)
    assert not isinstance(caught.value, StoreUnavailableError)
    assert _goes_on(sqlite_store)
    assert kept


def test_a_write_left_unfinished_by_an_error_of_work_does_not_block_for_long(
    sqlite_store: SQLiteStore,
) -> None:
    def work(raw: sqlite3.Connection) -> None:
        raise LookupError(_leave_unfinished(raw))

    with pytest.raises(LookupError) as caught:
        sqlite_store.complete(hold(sqlite_store).reservation, work, now=NOW)
    acknowledged = 0
    with suppress(StoreUnavailableError):
        put_one(sqlite_store, "waiting")
        acknowledged = 1
    assert len(enqueued(sqlite_store, "waiting")) == acknowledged
    assert _goes_on(sqlite_store)
    assert caught.value.args


def _only_read(raw: sqlite3.Connection) -> None:
    raw.execute("pragma query_only = on")


def _interrupt_always(raw: sqlite3.Connection) -> None:
    raw.set_progress_handler(lambda: 1, 1)


@pytest.mark.parametrize("work", [_only_read, _interrupt_always])
@pytest.mark.parametrize("path", ["jobs.db", ":memory:"])
def test_what_work_forbids_is_forbidden_no_longer_than_that(
    work: Work, path: str, tmp_path: Path
) -> None:
    with fresh_sqlite_store(path if path == ":memory:" else tmp_path / path) as store:
        assert store.complete(hold(store).reservation, work, now=NOW)
        assert _goes_on(store)


def test_a_full_disk_inside_work_is_an_outage(sqlite_store: SQLiteStore) -> None:
    """So that the completion is retried, and the job loses no attempt."""
    held = hold(sqlite_store)

    def work(raw: sqlite3.Connection, limit: int) -> None:
        raw.execute(f"pragma max_page_count = {limit}")
        raw.execute("create table effects (number integer)")

    with pytest.raises(StoreUnavailableError, match="SQLITE_FULL"):
        sqlite_store.complete(held.reservation, lambda raw: work(raw, 1), now=NOW)
    assert sqlite_store.find(held.id) == held
    assert sqlite_store.complete(held.reservation, lambda raw: work(raw, 1_000), now=NOW)


def test_a_failing_disk_inside_work_is_an_outage(sqlite_store: SQLiteStore) -> None:
    def work(_: object) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
        error.sqlite_errorname = "SQLITE_IOERR_READ"
        raise error

    with pytest.raises(StoreUnavailableError, match="SQLITE_IOERR_READ"):
        sqlite_store.complete(hold(sqlite_store).reservation, work, now=NOW)


def test_a_full_disk_inside_enqueue_in_is_an_outage(sqlite_store: SQLiteStore) -> None:
    """The runtime wraps an outage raised by work, as it may be that of another store."""
    held = hold(sqlite_store)

    def work(raw: sqlite3.Connection) -> None:
        raw.execute("pragma max_page_count = 1")
        try:
            sqlite_store.enqueue_in(raw, [ask(payload="x" * 100_000)], now=NOW)
        except StoreUnavailableError as error:
            raise WorkUnavailableError(error) from error

    with pytest.raises(StoreUnavailableError, match="SQLITE_FULL"):
        sqlite_store.complete(held.reservation, work, now=NOW)
    assert sqlite_store.find(held.id) == held


def test_a_lock_that_work_runs_into_is_its_own_error(
    sqlite_path: Path, sqlite_store: SQLiteStore
) -> None:
    """A retry would not help: it is the lock of this very transaction."""

    def work(_: object) -> None:
        with closing(sqlite3.connect(sqlite_path, timeout=0)) as other:
            other.execute("create table effects (number integer)")

    with pytest.raises(sqlite3.OperationalError, match="locked"):
        sqlite_store.complete(hold(sqlite_store).reservation, work, now=NOW)
    assert _goes_on(sqlite_store)
