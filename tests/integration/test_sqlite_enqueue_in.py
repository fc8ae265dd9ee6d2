"""`enqueue_in` in every transaction mode that a caller's connection may have."""

import logging
import sqlite3
import sys
from collections.abc import Generator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Literal

import pytest

from bgjobs._core.requests import JobRequest
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.testing.contract.steps import NOW, ask, enqueued, hold, put_one
from tests.fixtures.sqlite import fresh_sqlite_store

_IMPLICIT: list[Literal["DEFERRED", "IMMEDIATE", "EXCLUSIVE"]] = [
    "DEFERRED",
    "IMMEDIATE",
    "EXCLUSIVE",
]


@pytest.fixture(params=_IMPLICIT)
def implicit(
    request: pytest.FixtureRequest, sqlite_path: Path, sqlite_store: SQLiteStore
) -> Generator[sqlite3.Connection]:
    with closing(sqlite3.connect(sqlite_path, isolation_level=request.param)) as raw:
        yield raw


@pytest.fixture
def autocommitting(
    sqlite_path: Path, sqlite_store: SQLiteStore
) -> Generator[sqlite3.Connection]:
    with closing(sqlite3.connect(sqlite_path, isolation_level=None)) as raw:
        yield raw


def _stored(store: SQLiteStore) -> int:
    return len(enqueued(store))


def test_commit_ends_the_transaction_that_was_begun(
    implicit: sqlite3.Connection, sqlite_store: SQLiteStore
) -> None:
    sqlite_store.enqueue_in(implicit, [ask()], now=NOW)
    assert implicit.in_transaction
    assert _stored(sqlite_store) == 0
    implicit.commit()
    assert _stored(sqlite_store) == 1


def test_rollback_ends_the_transaction_that_was_begun(
    implicit: sqlite3.Connection, sqlite_store: SQLiteStore
) -> None:
    sqlite_store.enqueue_in(implicit, [ask()], now=NOW)
    implicit.rollback()
    assert _stored(sqlite_store) == 0


def test_an_open_implicit_transaction_is_joined(
    implicit: sqlite3.Connection, sqlite_store: SQLiteStore
) -> None:
    implicit.execute("create table orders (number integer)")
    implicit.commit()
    implicit.execute("insert into orders values (1)")
    sqlite_store.enqueue_in(implicit, [ask()], now=NOW)
    implicit.rollback()
    assert implicit.execute("select count(*) from orders").fetchone() == (0,)
    assert _stored(sqlite_store) == 0


def test_a_with_block_of_the_connection_ends_it(
    implicit: sqlite3.Connection, sqlite_store: SQLiteStore
) -> None:
    with implicit:
        sqlite_store.enqueue_in(implicit, [ask()], now=NOW)
    assert _stored(sqlite_store) == 1
    with suppress(ZeroDivisionError), implicit:
        sqlite_store.enqueue_in(implicit, [ask()], now=NOW)
        raise ZeroDivisionError
    assert _stored(sqlite_store) == 1


@pytest.mark.parametrize("requests", [[ask(), ask()], []])
def test_on_an_autocommitting_connection_a_transaction_has_to_be_open(
    autocommitting: sqlite3.Connection, sqlite_store: SQLiteStore, requests: list[JobRequest]
) -> None:
    told = (
        r"enqueue_in: expected an open transaction, found none on a connection in autocommit "
        r"mode.*begin one with 'begin immediate', in Django with transaction\.atomic"
    )
    with pytest.raises(StoreError, match=told):
        sqlite_store.enqueue_in(autocommitting, requests, now=NOW)
    assert not autocommitting.in_transaction
    assert _stored(sqlite_store) == 0


@pytest.mark.parametrize(("end", "expected"), [("commit", 1), ("rollback", 0)])
def test_an_explicit_transaction_is_joined(
    autocommitting: sqlite3.Connection, sqlite_store: SQLiteStore, end: str, expected: int
) -> None:
    autocommitting.execute("begin immediate")
    sqlite_store.enqueue_in(autocommitting, [ask()], now=NOW)
    assert autocommitting.in_transaction
    autocommitting.execute(end)
    assert _stored(sqlite_store) == expected


MODES: list[tuple[dict[str, Any], bool]] = [
    ({"isolation_level": None}, True),
    ({"isolation_level": "DEFERRED"}, False),
]
if sys.version_info >= (3, 12):
    MODES += [({"autocommit": True}, True), ({"autocommit": False}, False)]


@pytest.mark.parametrize(("options", "commits_by_itself"), MODES)
def test_in_each_mode_the_caller_commits(
    sqlite_path: Path,
    sqlite_store: SQLiteStore,
    options: dict[str, Any],
    commits_by_itself: bool,
) -> None:
    with closing(sqlite3.connect(sqlite_path, **options)) as raw:
        if commits_by_itself:
            with pytest.raises(StoreError, match="expected an open transaction"):
                sqlite_store.enqueue_in(raw, [ask()], now=NOW)
            raw.execute("begin")
        sqlite_store.enqueue_in(raw, [ask()], now=NOW)
        assert _stored(sqlite_store) == 0
        raw.execute("commit")
        assert _stored(sqlite_store) == 1


def _nameless() -> JobRequest:
    """Make a request that the table refuses; it could not be made in the usual way."""
    request = ask()
    object.__setattr__(request, "name", "")
    return request


@pytest.mark.parametrize("mode", ["DEFERRED", None])
def test_all_or_none_are_stored(
    sqlite_path: Path, sqlite_store: SQLiteStore, mode: Literal["DEFERRED"] | None
) -> None:
    """The second request is refused by the table: no name."""
    with closing(sqlite3.connect(sqlite_path, isolation_level=mode)) as raw:
        if mode is None:
            raw.execute("begin")
        with pytest.raises(StoreError, match="CHECK constraint failed"):
            sqlite_store.enqueue_in(raw, [ask(), _nameless()], now=NOW)
        assert raw.in_transaction == (mode is None), "what the caller has begun stays open"
        raw.execute("commit" if mode is None else "select 1")
    assert _stored(sqlite_store) == 0


def test_an_error_leaves_the_callers_transaction_to_the_caller(
    autocommitting: sqlite3.Connection, sqlite_store: SQLiteStore
) -> None:
    autocommitting.execute("begin")
    sqlite_store.enqueue_in(autocommitting, [ask()], now=NOW)
    with pytest.raises(StoreError):
        sqlite_store.enqueue_in(autocommitting, [ask(), _nameless()], now=NOW)
    assert autocommitting.in_transaction
    autocommitting.execute("commit")
    assert _stored(sqlite_store) == 1


def test_the_callers_factories_do_not_matter_and_stay(
    autocommitting: sqlite3.Connection, sqlite_store: SQLiteStore
) -> None:
    def as_dict(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> dict[str, Any]:
        return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}

    autocommitting.row_factory = as_dict
    autocommitting.text_factory = bytes
    holder = put_one(sqlite_store, unique_key="k")
    autocommitting.execute("begin")
    jobs = sqlite_store.enqueue_in(autocommitting, [ask(), ask(unique_key="k")], now=NOW)
    autocommitting.execute("commit")
    assert jobs[1] == holder
    assert autocommitting.execute("select 'a' as a").fetchone() == {"a": b"a"}


def test_a_locked_file_is_unavailable(sqlite_path: Path, sqlite_store: SQLiteStore) -> None:
    with (
        closing(sqlite3.connect(sqlite_path, isolation_level=None)) as other,
        closing(sqlite3.connect(sqlite_path, timeout=0)) as raw,
    ):
        other.execute("begin immediate")
        with pytest.raises(StoreUnavailableError):
            sqlite_store.enqueue_in(raw, [ask()], now=NOW)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("jobs.db", "found str$"),
        (None, r"found None; Django's connection\.connection is None before the first query"),
        (Path(), r"found pathlib\.[\w.]+$"),
    ],
)
def test_another_kind_of_connection_is_refused(
    wrong: Any, told: str, sqlite_store: SQLiteStore
) -> None:
    with pytest.raises(
        TypeError, match=rf"^enqueue_in: expected a sqlite3\.Connection, {told}"
    ):
        sqlite_store.enqueue_in(wrong, [ask()], now=NOW)


def test_memory_takes_the_callers_own_database() -> None:
    """The schema has to be there: the store's own memory is another one."""
    store = SQLiteStore(":memory:")
    raw = sqlite3.connect(":memory:")
    with closing(raw), pytest.raises(StoreError, match="no such table"):
        store.enqueue_in(raw, [ask()], now=NOW)


@pytest.mark.parametrize("other", ["other.db", ":memory:"])
def test_a_connection_to_another_database_is_refused(
    other: str, tmp_path: Path, sqlite_store: SQLiteStore
) -> None:
    """No process would run jobs that are stored there."""
    path = other if other == ":memory:" else str(tmp_path / other)
    with fresh_sqlite_store(path) as another, closing(sqlite3.connect(path)) as raw:
        expected = "jobs.db: expected a connection to this file, found one to "
        with pytest.raises(StoreError, match=expected):
            sqlite_store.enqueue_in(raw, [ask()], now=NOW)
        assert not raw.in_transaction
        assert _stored(another) == 0


def test_another_name_of_the_file_is_no_other_database(
    tmp_path: Path, sqlite_path: Path, sqlite_store: SQLiteStore
) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(sqlite_path)
    with closing(sqlite3.connect(link)) as raw, raw:
        sqlite_store.enqueue_in(raw, [ask()], now=NOW)
    assert _stored(sqlite_store) == 1


def test_a_connection_may_have_attached_the_file(
    tmp_path: Path, sqlite_path: Path, sqlite_store: SQLiteStore
) -> None:
    with closing(sqlite3.connect(tmp_path / "orders.db")) as raw:
        raw.execute("create table orders (number integer)")
        raw.execute("attach ? as jobs", [str(sqlite_path)])
        with raw:
            raw.execute("insert into orders values (1)")
            sqlite_store.enqueue_in(raw, [ask()], now=NOW)
    assert _stored(sqlite_store) == 1


def test_a_transaction_that_reads_the_past_is_told_what_to_do(
    autocommitting: sqlite3.Connection, sqlite_store: SQLiteStore
) -> None:
    autocommitting.execute("begin")
    autocommitting.execute("select count(*) from bgjobs_jobs").fetchone()
    put_one(sqlite_store)
    with pytest.raises(StoreError, match=r"roll back, and then .* 'begin immediate'") as caught:
        sqlite_store.enqueue_in(autocommitting, [ask()], now=NOW)
    assert not isinstance(caught.value, StoreUnavailableError), "it never helps to try again"
    autocommitting.execute("rollback")
    autocommitting.execute("begin immediate")
    sqlite_store.enqueue_in(autocommitting, [ask()], now=NOW)
    autocommitting.execute("commit")
    assert _stored(sqlite_store) == 2


@pytest.fixture
def buggy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 2))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.51.2")


@pytest.mark.usefixtures("buggy")
def test_a_connection_that_checkpoints_by_itself_is_told_once(
    implicit: sqlite3.Connection, sqlite_store: SQLiteStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Only where the library has a bug with it; the store's own connections never do."""
    with caplog.at_level(logging.WARNING, "bgjobs.stores.sqlite"):
        for _ in range(3):
            put_one(sqlite_store)
            sqlite_store.enqueue_in(implicit, [ask()], now=NOW)
            implicit.commit()
    [message] = caplog.messages
    assert message.startswith(f"{sqlite_store.label}: SQLite 3.51.2 may damage the file when")
    assert "run 'pragma wal_autocheckpoint = 0' on it" in message
    assert "3.51.3" in message


@pytest.mark.usefixtures("buggy")
def test_a_connection_that_never_checkpoints_is_fine(
    implicit: sqlite3.Connection, sqlite_store: SQLiteStore, caplog: pytest.LogCaptureFixture
) -> None:
    implicit.execute("pragma wal_autocheckpoint = 0")
    held = hold(sqlite_store)
    with caplog.at_level(logging.WARNING, "bgjobs.stores.sqlite"):
        sqlite_store.enqueue_in(implicit, [ask()], now=NOW)
        implicit.commit()
        assert sqlite_store.complete(
            held.reservation, lambda raw: sqlite_store.enqueue_in(raw, [ask()], now=NOW)
        )
    assert caplog.messages == []


def test_a_library_without_the_bug_is_fine(
    implicit: sqlite3.Connection,
    sqlite_store: SQLiteStore,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 3))
    with caplog.at_level(logging.WARNING, "bgjobs.stores.sqlite"):
        sqlite_store.enqueue_in(implicit, [ask()], now=NOW)
    assert caplog.messages == []
