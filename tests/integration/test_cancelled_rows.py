"""Failed jobs whose error begins with "Cancelled: " become cancelled ones in the migration."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

import bgjobs
from bgjobs._core.jobs import AttemptError, CancelledJob, FailedJob
from bgjobs.stores.json_columns import dump_errors
from bgjobs.testing.contract.steps import listed, search
from tests.fixtures.databases import Database, PostgresSchema
from tests.fixtures.stores import MIGRATIONS, of_version

_NOW = datetime(2031, 5, 17, 12, 30, 15, 123456, tzinfo=UTC)
_COUNT = 1_936_787_415_123_456
"""The same time as a SQLite file stores it."""
_TRICKY = 'Cancelled: "quoted" \\ ünï\n\tand a line, %_ \x01'
"""A text in which JSON escapes characters."""


def _errors(*texts: str, reserved: bool = True) -> str:
    return dump_errors(
        tuple(
            AttemptError(1, _NOW, text, _NOW + timedelta(seconds=1) if reserved else None)
            for text in texts
        )
    )


def _older(text: str) -> str:
    """Return the errors of a version that stored no time of the reservation."""
    return _errors(text, reserved=False).replace(",null]]", "]]")


CANCELLED: dict[str, tuple[str, str]] = {
    "without errors": ("Cancelled: no", "[]"),
    "without a reason": ("Cancelled: ", "[]"),
    "after an error": ("Cancelled: no", _errors("ValueError: no")),
    "after an exception of this name": ("Cancelled: no", _errors("Cancelled: no", "other")),
    "with errors that end alike": ("Cancelled: no", _errors("x Cancelled: no")),
    "with unreadable errors": ("Cancelled: no", "[[1,{{"),
    "with empty errors": ("Cancelled: no", ""),
    "with characters that are escaped": (_TRICKY, "[]"),
}
FAILED: dict[str, tuple[str, str]] = {
    "an exception of this name": ("Cancelled: no", _errors("Cancelled: no")),
    "such an exception after another": ("Cancelled: no", _errors("other", "Cancelled: no")),
    "without a reservation": ("Cancelled: no", _errors("Cancelled: no", reserved=False)),
    "of the first version": ("Cancelled: no", _older("Cancelled: no")),
    "escaped characters": (_TRICKY, _errors(_TRICKY)),
    "another error": ("ValueError: Cancelled: no", "[]"),
    "another case": ("cancelled: no", "[]"),
}
_COLUMNS = """
    id, name, payload, priority, attempts, crashes, interruptions, reservations, created_at,
    available_at, reserved_at, reserved_by, unique_key, errors, occurrence, metadata, error,
    failed_at
"""
_INDEX_WORDS = (
    (
        "insert into bgjobs_failure_words (rowid, summary) select noted.number,"
        " substr(job.error, 1, instr(substr(job.error, 1, 200) || char(10), char(10)) - 1)"
        " from bgjobs_failures as noted"
        " join bgjobs_jobs_failed as job on job.id = noted.job_id"
    ),
    "update bgjobs_failures set is_indexed = 1",
)
"""A store does this in each transaction that stores failed jobs in a file."""


def _id(number: int) -> UUID:
    return UUID(f"01900000-0000-7000-8000-{number:012}")


def _fill(database: Database) -> None:
    """Store the jobs as failed ones, as version 5 did."""
    table, mark = "bgjobs_jobs_failed", "?"
    at: int | datetime = _COUNT
    if isinstance(database, PostgresSchema):
        table, mark, at = f'"{database.schema}".jobs_failed', "%s", _NOW
    insert = f"insert into {table} ({_COLUMNS}) values ({', '.join([mark] * 18)})"
    connection = database.connect()
    for number, (error, errors) in enumerate([*CANCELLED.values(), *FAILED.values()]):
        ended = (at, at, at, str(_id(99)), f"k{number}", errors, None, None, error, at)
        values = (str(_id(number)), "mail", "[1]", -3, 1, 2, 3, 4, *ended)
        connection.execute(insert, values)
    if not isinstance(database, PostgresSchema):
        for statement in _INDEX_WORDS:
            connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.fixture
def store(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[bgjobs.Store]:
    with of_version(5, database.store(), monkeypatch) as store:
        _fill(database)
        assert store.migrate() == MIGRATIONS[5:]
        yield store


def test_cancelled_jobs_are_moved_without_the_prefix(store: bgjobs.Store) -> None:
    found = {job.id: job for job in listed(store, "cancelled")}
    apart = {UUID(str(one.columns["id"])) for one in listed(store, "cancelled").unreadable}
    for number, (case, (error, errors)) in enumerate(CANCELLED.items()):
        if _id(number) in apart:
            assert case in ("with unreadable errors", "with empty errors")
            continue
        job = found[_id(number)]
        assert isinstance(job, CancelledJob)
        assert (job.reason, job.cancelled_by) == (error.removeprefix("Cancelled: "), None)
        assert (job.cancelled_at, job.reserved_by, job.unique_key) == (
            *(_NOW, _id(99)),
            f"k{number}",
        )
        assert (job.attempts, job.crashes, job.interruptions, job.reservations) == (1, 2, 3, 4)
        assert (dump_errors(job.errors), job.history) == (errors, ())
    assert len(found) + len(apart) == len(CANCELLED)
    assert len(apart) == 2


def test_jobs_that_failed_stay_failed(store: bgjobs.Store) -> None:
    jobs = listed(store, "failed")
    first = len(CANCELLED)
    assert {job.id for job in jobs} == {_id(first + number) for number in range(len(FAILED))}
    assert all(isinstance(job, FailedJob) for job in jobs)
    errors = {job.id: job.error for job in jobs}
    assert [errors[_id(first + number)] for number in range(len(FAILED))] == [
        error for error, _ in FAILED.values()
    ]


def test_searches_find_the_failed_jobs_alone(store: bgjobs.Store) -> None:
    failed = {job.id for job in listed(store, "failed")}
    assert set(search(store, "cancelled")) == failed
