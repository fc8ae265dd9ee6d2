"""Text that is not UTF-8, and extreme values, in tables of SQLite.

They are written without the library. Connections decode such text as lone surrogates.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bgjobs._core.ids import new_id
from bgjobs._core.outcomes import Cancelled
from bgjobs.stores.types import Owner
from tests.fixtures.hostile_rows import UncheckedSQLite, put, put_text
from tests.fixtures.hostile_tables import (
    LEASE,
    LONG,
    RATE,
    check_jobs_run,
    finding,
    new_job,
    tables_in_sqlite,
)


def _decoded(text: bytes) -> str:
    return text.decode(errors="surrogateescape")


@pytest.fixture
def sqlite_tables(
    sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[UncheckedSQLite]:
    """Tables whose connections decode invalid UTF-8 as lone surrogates."""
    connect = sqlite3.connect

    def tolerant(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)
        if connection.text_factory is str:
            connection.text_factory = _decoded
        return connection

    monkeypatch.setattr(sqlite3, "connect", tolerant)
    with tables_in_sqlite(sqlite_path) as in_sqlite:
        yield in_sqlite


def test_owners_whose_text_is_not_utf_8(sqlite_tables: UncheckedSQLite) -> None:
    times = {"opened_at": 0, "lease_expires_at": 2**62}
    tables = sqlite_tables
    put_text(tables, "owners", "name", id=str(new_id()), node="n", **times)
    put_text(tables, "owners", "node", id=str(new_id()), name="q", **times)
    put_text(tables, "owners", "id", name="q", node="n", **times)
    for no_id in ("", "x" * 36, "-" * 36, "0" * 5_000):
        put(tables, "owners", id=no_id, name="q", node="n", **times)
    assert tables.store.operations.get_owners() == []
    found = finding(tables, "owners")
    assert (found.level, found.text) == ("warning", "7 cannot be read, and are not listed")
    check_jobs_run(tables)


def test_paused_queues_whose_name_is_not_utf_8(sqlite_tables: UncheckedSQLite) -> None:
    put_text(sqlite_tables, "paused_queues", "name", paused_at=0)
    operations = sqlite_tables.store.operations
    assert operations.pause_queue("q")
    assert operations.commands([]).paused == {"q"}
    found = finding(sqlite_tables, "paused queues")
    assert found.level == "warning"
    assert found.text == "1 have names that cannot be read, and pause no queue"
    check_jobs_run(sqlite_tables)


def test_cancellations_that_are_not_utf_8(sqlite_tables: UncheckedSQLite) -> None:
    tables = sqlite_tables
    store, owner = tables.store, Owner(new_id(), "q", "node")
    store.open_owner(owner, LEASE)
    [job] = store.write([new_job()]).jobs
    store.reserve(owner.id, ["work"], 1)
    put_text(tables, "cancellations", "reason", job_id=str(job.id), asked_at=0)
    put_text(tables, "cancellations", "job_id", reason="no", asked_at=0)
    no_id = "x" * 36
    at = {"created_at": 0, "available_at": 0, "reserved_at": 0}
    more = {"reserved_by": str(owner.id), "reservations": 1, "priority": 0, "payload": "{}"}
    put(tables, "jobs", id=no_id, name="other", **at, **more)
    put(tables, "cancellations", job_id=no_id, reason="no", asked_at=0)
    cancelled = store.operations.commands([owner.id]).cancelled
    assert cancelled == {job.id: Cancelled("???")}
    store.close_owners([])


def test_starts_whose_name_is_not_utf_8(sqlite_tables: UncheckedSQLite) -> None:
    put_text(sqlite_tables, "starts", "name", started_at=0)
    store, owner = sqlite_tables.store, Owner(new_id(), "q", "node")
    store.open_owner(owner, LEASE)
    [job] = store.write([new_job()]).jobs
    assert [one.id for one in store.reserve(owner.id, ["work"], 9, caps=[RATE])] == [job.id]


def test_index_notes_with_extreme_values(sqlite_tables: UncheckedSQLite) -> None:
    tables = sqlite_tables
    for number, job_id in ((2**63 - 1, "x"), (-(2**63), LONG)):
        put(tables, "failures", number=number, job_id=job_id, is_indexed=0, is_gone=0)
    put_text(tables, "failures", "job_id", number=5, is_gone=2**62)
    store = tables.store
    [job] = store.write([new_job()]).jobs
    assert store.operations.cancel([job.id], Cancelled("no")).ended == [job.id]
    assert store.operations.retry([job.id]) == [job.id]
