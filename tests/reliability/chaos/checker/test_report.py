"""Events, ends of processes and failed jobs are accepted only if the faults explain them."""

from typing import Any

import pytest

from tests.reliability.chaos.checker.observations import JournalRecords
from tests.reliability.chaos.checker.report import event_violations, may_end, may_fail
from tests.reliability.chaos.cluster import Process
from tests.reliability.chaos.processes.handlers import EXPECTED_ERROR
from tests.reliability.chaos.processes.worker import STORE_UNAVAILABLE
from tests.reliability.chaos.settings import ProcessSettings


def settings(**others: Any) -> ProcessSettings:
    return ProcessSettings(location="", journal="", **others)


def process(
    code: int, *, killed: bool = False, journal_records: bool = False, **others: Any
) -> Process:
    return Process(
        1, settings(**others), code=code, was_killed=killed, was_terminated=journal_records
    )


def journal_records(*what: str) -> JournalRecords:
    return JournalRecords((), (), {}, events={what: 1})


LOST_LEASE = ("ChildCrashed", "queue 'chaos'", "LeaseLostError('…')")
UNAVAILABLE = ("StoreFailed", "reserve", "StoreUnavailableError('SQLite: locked')")
REFUSED = ("StoreFailed", "write", "StoreError('SQLite: no such table')")
BUG = ("ChildCrashed", "monitor", "RuntimeError('a bug')")
BOTH = ("ChildCrashed", "queue 'chaos'", "LeaseLostError('…')", "RuntimeError('a bug')")
END = ("RestartLimitExceeded", "monitor", "RuntimeError('a bug')")


@pytest.mark.parametrize("what", [LOST_LEASE, UNAVAILABLE])
def test_a_lost_lease_and_an_unavailable_store_are_accepted(what: tuple[str, ...]) -> None:
    assert list(event_violations(journal_records(*what), is_misbehaving=False)) == []


@pytest.mark.parametrize("what", [REFUSED, BUG, BOTH, END])
def test_other_errors_are_violations(what: tuple[str, ...]) -> None:
    assert list(event_violations(journal_records(*what), is_misbehaving=False))


def test_a_refused_schema_is_accepted_from_an_older_process_after_an_upgrade() -> None:
    refused = journal_records("StoreFailed", "migrate", "SchemaMismatchError('…', 3, 2)")
    assert list(event_violations(refused, is_misbehaving=False))
    assert list(event_violations(refused, is_misbehaving=False, is_upgrade=True)) == []


def test_misbehaving_handlers_explain_a_crash_but_not_the_end_of_the_application() -> None:
    assert list(event_violations(journal_records(*BUG), is_misbehaving=True)) == []
    assert list(event_violations(journal_records(*END), is_misbehaving=True))


@pytest.mark.parametrize(
    "one",
    [
        process(0, journal_records=True),
        process(-9, killed=True),
        process(-9, kill_at="reserved"),
        process(-9, misbehaviour=True),
        process(-15, journal_records=True),
    ],
)
def test_a_process_may_end_as_the_faults_made_it_end(one: Process) -> None:
    assert may_end(one, is_ours=True)


@pytest.mark.parametrize(
    "one", [process(0), process(-9), process(-15), process(1, journal_records=True)]
)
def test_a_process_may_not_end_by_itself(one: Process) -> None:
    assert not may_end(one, is_ours=False)


def test_the_store_may_be_unavailable_only_under_faults_of_the_store() -> None:
    assert may_end(process(STORE_UNAVAILABLE), is_ours=False)
    assert not may_end(process(STORE_UNAVAILABLE), is_ours=True)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("steady", "its worker died 4 times while running it"),
        ("discarder", EXPECTED_ERROR),
        ("slow", "TimeoutError: timed out after 0.5 seconds"),
    ],
)
def test_a_job_may_fail_with_an_expected_error(name: str, error: str) -> None:
    assert may_fail(name, error)


def test_a_job_may_not_fail_with_another_error() -> None:
    assert not may_fail("steady", EXPECTED_ERROR)
    assert not may_fail("discarder", "KeyError: 'x'")
