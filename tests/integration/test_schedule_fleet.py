"""Processes with the same scheduled jobs; for longer: `python -m tests.reliability.chaos schedules`."""

from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.databases import Database
from tests.reliability.chaos.fleet import Fleet
from tests.reliability.chaos.orders import EVERYTHING, orders_for
from tests.reliability.chaos.schedules import Outcome, run_fleet
from tests.reliability.chaos.verdict import problems

pytestmark = pytest.mark.slow

PROCESSES = 4
SCHEDULES = 3
RUNS = 15
"""Five seconds of all schedules."""
FEW = 6


def run_some(fleet: Fleet) -> None:
    fleet.wait_until(lambda: len(fleet.journal()) >= RUNS)


def run_few(fleet: Fleet) -> None:
    fleet.wait_until(lambda: len(fleet.journal()) >= FEW)


def kill_one(fleet: Fleet) -> None:
    run_few(fleet)
    victim = fleet.kill_one_at_work()
    seen = len(fleet.journal())
    fleet.start(1)
    fleet.wait_until(lambda: len(fleet.journal()) >= seen + FEW)
    assert victim in fleet.killed


def outcome_of(
    database: Database, folder: Path, meanwhile: Any = run_some, **others: Any
) -> Outcome:
    commands = orders_for(database, str(folder / "journal"), schedules=SCHEDULES, **others)
    return run_fleet(database, commands, PROCESSES, meanwhile)


def test_of_four_processes_one_runs_each_occurrence(database: Database, tmp_path: Path) -> None:
    outcome = outcome_of(database, tmp_path, catch_up=EVERYTHING)
    assert problems(outcome.evidence) == []
    assert outcome.errors == ""


def test_what_coalesces_is_told_as_missed(database: Database, tmp_path: Path) -> None:
    """A run takes longer than a second, so every second one or so has none of its own."""
    outcome = outcome_of(database, tmp_path, run_few, catch_up=None, work=1.2)
    assert problems(outcome.evidence) == []
    assert outcome.evidence.missed


def test_what_a_killed_process_ran_is_run_again_and_nothing_is_lost(
    database: Database, tmp_path: Path
) -> None:
    outcome = outcome_of(database, tmp_path, kill_one, catch_up=EVERYTHING, work=0.2, lease=2.0)
    assert problems(outcome.evidence) == []
    assert len(outcome.evidence.killed) == 1
