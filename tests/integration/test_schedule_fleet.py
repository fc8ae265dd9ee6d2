"""Several processes with the same scheduled jobs; `nox -s chaos -- schedules` runs more."""

from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.databases import Database
from tests.reliability.chaos.schedules.checker import violations
from tests.reliability.chaos.schedules.fleet import Fleet, FleetOutcome, run_fleet
from tests.reliability.chaos.schedules.node import ALL_OCCURRENCES, settings_for

pytestmark = pytest.mark.slow

PROCESSES = 4
SCHEDULES = 3
RUNS = 15
"""The number of runs of all schedules in five seconds."""
FEW = 6


def run_some(fleet: Fleet) -> None:
    fleet.wait_until(lambda: len(fleet.journal()) >= RUNS)


def run_few(fleet: Fleet) -> None:
    fleet.wait_until(lambda: len(fleet.journal()) >= FEW)


def kill_one(fleet: Fleet) -> None:
    run_few(fleet)
    victim = fleet.kill_a_busy_process()
    seen = len(fleet.journal())
    fleet.start(1)
    fleet.wait_until(lambda: len(fleet.journal()) >= seen + FEW)
    assert victim in fleet.killed


def outcome_of(
    database: Database, folder: Path, meanwhile: Any = run_some, **others: Any
) -> FleetOutcome:
    settings = settings_for(database, str(folder / "journal"), schedules=SCHEDULES, **others)
    return run_fleet(database, settings, PROCESSES, meanwhile)


def test_one_of_four_processes_runs_each_occurrence(database: Database, tmp_path: Path) -> None:
    outcome = outcome_of(database, tmp_path, catch_up=ALL_OCCURRENCES)
    assert violations(outcome.observations) == []
    assert outcome.errors == ""


def test_coalesced_occurrences_are_reported_as_missed(
    database: Database, tmp_path: Path
) -> None:
    """A run takes longer than a second, so about every second occurrence has no run."""
    outcome = outcome_of(database, tmp_path, run_few, catch_up=None, work=1.2)
    assert violations(outcome.observations) == []
    assert outcome.observations.missed


def test_the_run_of_a_killed_process_is_repeated_and_no_occurrence_is_lost(
    database: Database, tmp_path: Path
) -> None:
    outcome = outcome_of(
        database, tmp_path, kill_one, catch_up=ALL_OCCURRENCES, work=0.2, lease=2.0
    )
    assert violations(outcome.observations) == []
    assert len(outcome.observations.killed) == 1
