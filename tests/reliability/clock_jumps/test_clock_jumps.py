"""Schedules neither rush, stop, repeat nor lose a run when clocks and zones change."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TypeAlias
from unittest.mock import patch

import pytest

from bgjobs._core.recurrence import replanned
from bgjobs._runtime.scheduled.planner import PlannedRun
from bgjobs.events import OccurrenceReplanned, OccurrencesMissed
from tests.fixtures.databases import Database
from tests.fixtures.stores import migrated
from tests.reliability.clock_jumps.play import (
    BrokenPromiseError,
    Loop,
    check,
    raise_if_wrong,
    run_seed,
    run_seed_on,
)
from tests.reliability.clock_jumps.trace import Jumped
from tests.reliability.clock_jumps.worlds import CITY, world_of

CHUNKS = [
    range(20),
    *(pytest.param(range(at, at + 20), marks=pytest.mark.slow) for at in (20, 40)),
]
MOST = 120
"""The number of seeds within which each mutant is found."""


Mutant: TypeAlias = Callable[[], AbstractContextManager[None]]
ROW = "bgjobs._runtime.scheduled.kept_row."


@contextmanager
def planned_early() -> Generator[None]:
    """Plan by the time that this process assumed before the end of the run was stored."""
    with patch.object(PlannedRun, "__call__", lambda run, now: run.request()):
        yield


@contextmanager
def waiting_for_a_fast_clock() -> Generator[None]:
    """Keep a row waiting for the time of a clock that was ahead."""
    with patch(f"{ROW}is_ahead", lambda job, now: False), patch(f"{ROW}restarted", replanned):
        yield


@contextmanager
def outdated_zones() -> Generator[None]:
    """Treat an instant that was planned with other time zone data as an occurrence."""
    with patch("bgjobs._core.recurrence._may_occur", lambda schedule, at: True):
        yield


@contextmanager
def unreported_misses() -> Generator[None]:
    """Report no occurrences that were missed during another run."""
    with patch(
        "bgjobs._runtime.scheduled.planner.missed_between", lambda plan, after, before: []
    ):
        yield


MUTANTS: Mapping[str, tuple[Mutant, str]] = {
    "planned_early": (planned_early, "rush"),
    "waiting_for_a_fast_clock": (waiting_for_a_fast_clock, "standstill"),
    "outdated_zones": (outdated_zones, "no occurrence"),
    "unreported_misses": (unreported_misses, "missed"),
}
"""Bugs that are put into the library, each with the promise that it breaks first."""


@pytest.mark.parametrize("seeds", CHUNKS, ids=lambda seeds: f"from-{seeds[0]}")
def test_schedules_keep_their_promises_whatever_the_clocks_do(seeds: Sequence[int]) -> None:
    for seed in seeds:
        check(seed)


def test_schedules_keep_their_promises_on_asyncio() -> None:
    for seed in range(100, 110):
        check(seed, "asyncio")


@pytest.mark.parametrize("loop", ["trio", "asyncio"])
def test_schedules_keep_their_promises_on_each_store(database: Database, loop: Loop) -> None:
    with migrated(database.store()) as store:
        for seed in range(200, 202):
            _, problems = run_seed_on(store, seed, loop)
            raise_if_wrong(seed, loop, problems)


def test_worlds_have_every_kind_of_job_jump_and_zone() -> None:
    worlds = [world_of(seed) for seed in range(200)]
    jobs = [job for world in worlds for job in world.jobs]
    jumps = [jump for world in worlds for lifecycle in world.lives for jump in lifecycle.jumps]
    assert {job.catch_up for job in jobs} >= {"once", "never", 1, 3, 30}
    assert all({getattr(job, name) > 0 for job in jobs} == {True, False} for name in NUMBERS)
    assert {job.misfire_grace is None for job in jobs} == {True, False}
    assert len({type(job.form) for job in jobs}) == 4
    assert len({job.form.zone for job in jobs} - {"UTC", CITY}) >= 5
    assert {jump.which for jump in jumps} == {"store", "processes", "all"}
    assert min(jump.by for jump in jumps) < -1_000_000 < 1_000_000 < max(j.by for j in jumps)
    rules = [[lifecycle.rule for lifecycle in world.lives] for world in worlds]
    assert sum(len(set(each)) == 2 for each in rules) > 20


def test_traces_contain_jumps_replanned_and_missed_occurrences() -> None:
    observed = {type(entry.what) for seed in range(5) for entry in run_seed(seed)[0].entries}
    assert observed >= {Jumped, OccurrenceReplanned, OccurrencesMissed}


NUMBERS = ("jitter", "lasts", "fails", "backoff")


@pytest.mark.parametrize("name", MUTANTS)
def test_each_mutant_is_found(name: str) -> None:
    mutant, promise = MUTANTS[name]
    with mutant():
        assert any(promise in _broken_by(seed) for seed in range(MOST))


def test_a_failure_names_the_command_that_replays_it() -> None:
    mutant, _ = MUTANTS["unreported_misses"]
    with mutant(), pytest.raises(BrokenPromiseError, match=r"--seed \d+ --loop trio"):
        for seed in range(MOST):
            check(seed)


def _broken_by(seed: int) -> set[str]:
    """Return the kinds of promises that a seed breaks."""
    return {problem.split(": ")[1] for problem in run_seed(seed)[1]}
