"""What the processes of a storm tell, and how they end, is judged by what was done to them."""

from typing import Any

import pytest

from tests.reliability.chaos.arena import Process
from tests.reliability.chaos.gather import Told
from tests.reliability.chaos.handlers import REASON
from tests.reliability.chaos.storm_orders import Orders
from tests.reliability.chaos.verdicts import events, may_end, may_fail
from tests.reliability.chaos.worker import STORE_AWAY


def orders(**others: Any) -> Orders:
    return Orders(place="", journal="", **others)


def process(code: int, *, killed: bool = False, told: bool = False, **others: Any) -> Process:
    return Process(1, orders(**others), code=code, is_killed=killed, is_told=told)


def told(*what: str) -> Told:
    return Told((), (), {}, heard={what: 1})


LOST_LEASE = ("ChildCrashed", "queue 'storm'", "LeaseLostError('…')")
AWAY = ("StoreFailed", "reserve", "StoreUnavailableError('SQLite: locked')")
REFUSED = ("StoreFailed", "write", "StoreError('SQLite: no such table')")
BUG = ("ChildCrashed", "monitor", "RuntimeError('a bug')")
BOTH = ("ChildCrashed", "queue 'storm'", "LeaseLostError('…')", "RuntimeError('a bug')")
END = ("RestartLimitExceeded", "monitor", "RuntimeError('a bug')")


@pytest.mark.parametrize("what", [LOST_LEASE, AWAY])
def test_a_lost_lease_and_a_store_that_is_away_are_weather(what: tuple[str, ...]) -> None:
    assert list(events(told(*what), is_wild=False)) == []


@pytest.mark.parametrize("what", [REFUSED, BUG, BOTH, END])
def test_other_errors_are_wrong(what: tuple[str, ...]) -> None:
    assert list(events(told(*what), is_wild=False))


def test_an_older_process_may_be_refused_where_a_newer_one_has_changed_the_schema() -> None:
    refused = told("StoreFailed", "migrate", "SchemaMismatchError('…', 3, 2)")
    assert list(events(refused, is_wild=False))
    assert list(events(refused, is_wild=False, is_upgrade=True)) == []


def test_wild_handlers_explain_a_crash_but_not_the_end_of_everything() -> None:
    assert list(events(told(*BUG), is_wild=True)) == []
    assert list(events(told(*END), is_wild=True))


@pytest.mark.parametrize(
    "one",
    [
        process(0, told=True),
        process(-9, killed=True),
        process(-9, deadly="claimed"),
        process(-9, zoo=True),
        process(-15, told=True),
    ],
)
def test_a_process_may_end_as_it_was_made_to(one: Process) -> None:
    assert may_end(one, is_ours=True)


@pytest.mark.parametrize("one", [process(0), process(-9), process(-15), process(1, told=True)])
def test_a_process_may_not_end_by_itself(one: Process) -> None:
    assert not may_end(one, is_ours=False)


def test_only_where_the_store_is_harmed_may_it_be_away() -> None:
    assert may_end(process(STORE_AWAY), is_ours=False)
    assert not may_end(process(STORE_AWAY), is_ours=True)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("steady", "its worker died 4 times while running it"),
        ("discarder", REASON),
        ("slow", "TimeoutError: timed out after 0.5 seconds"),
    ],
)
def test_a_job_may_fail_for_a_reason(name: str, error: str) -> None:
    assert may_fail(name, error)


def test_no_other_job_may_fail() -> None:
    assert not may_fail("steady", REASON)
    assert not may_fail("discarder", "KeyError: 'x'")
