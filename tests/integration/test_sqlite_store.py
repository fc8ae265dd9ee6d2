"""Several processes on one file, and errors of the driver."""

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

import tests.fixtures.sqlite_programs as program
from bgjobs._core.ids import new_id
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.stores.sqlite import SQLiteStore
from bgjobs.testing.contract.steps import enqueued, put_one
from tests.fixtures.sqlite import fresh_sqlite_store

_PROCESSES = 8
_JOBS_OF_EACH = 25


def test_eight_processes_run_every_job_exactly_once(sqlite_path: Path) -> None:
    """All make the file, migrate, enqueue, reserve and settle at once; none meets a lock."""
    total = _PROCESSES * _JOBS_OF_EACH
    arguments = [str(sqlite_path), str(_JOBS_OF_EACH), str(total)]
    command = [sys.executable, program.__file__, "share_file", *arguments]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(_PROCESSES)
    ]
    answers = [process.communicate(timeout=100) for process in running]
    assert [process.returncode for process in running] == [0] * _PROCESSES, answers
    settled = [one for out, _ in answers for one in out.split()]
    assert len(settled) == total
    assert len(set(settled)) == total
    with fresh_sqlite_store(sqlite_path) as store:
        counts = store.count()
    assert (counts.waiting, counts.running, counts.succeeded) == (0, 0, total)


def test_the_error_that_ends_a_reading_transaction_is_raised(
    sqlite_store: SQLiteStore,
) -> None:
    """SQLite rolls back by itself when the disk fails; here, the second statement does."""
    reader = sqlite_store._executor.connections.reader
    with pytest.raises(StoreError, match="no such table: absent"):
        reader.snapshot(["select 1", "rollback", "select * from absent"], {})
    assert reader.snapshot(["select 1", "select 2"], {}) == [[(1,)], [(2,)]]


def _statements_of_a_put(store: SQLiteStore) -> int:
    traced: list[str] = []
    raw = store._executor.connections.writer.raw
    raw.set_trace_callback(traced.append)
    put_one(store)
    raw.set_trace_callback(None)
    return len(traced)


def test_a_job_without_options_is_stored_by_one_statement(sqlite_store: SQLiteStore) -> None:
    assert _statements_of_a_put(sqlite_store) == 1


def test_a_job_is_stored_by_a_transaction_behind_one_that_was_rolled_back(
    sqlite_store: SQLiteStore,
) -> None:
    """Its commit fails while a statement that was left unfinished would keep the row back."""
    with pytest.raises(LookupError), sqlite_store._executor.connections.writer.writing():
        raise LookupError
    assert [_statements_of_a_put(sqlite_store) for _ in range(2)] == [3, 1]
    assert len(enqueued(sqlite_store)) == 2


UNWRITABLE = "mail\udcff"
VERBS: list[Callable[[SQLiteStore], object]] = [
    lambda store: store.reserve(new_id(), [UNWRITABLE], 1),
    lambda store: store.next_due([UNWRITABLE]),
    lambda store: store.find_unique("mail", UNWRITABLE),
    lambda store: store.prune("failed", timedelta(0), name=UNWRITABLE, limit=1),
    lambda store: store.count([UNWRITABLE]),
]


@pytest.mark.parametrize("verb", VERBS)
def test_a_text_that_cannot_be_written_is_an_error_of_the_store(
    verb: Callable[[SQLiteStore], object], sqlite_store: SQLiteStore
) -> None:
    with pytest.raises(StoreError, match="surrogates not allowed") as caught:
        verb(sqlite_store)
    assert not isinstance(caught.value, StoreUnavailableError)
    put_one(sqlite_store)
