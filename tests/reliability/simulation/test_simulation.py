"""Seeds have no problems, replay exactly, and find the bugs of all mutants."""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.reliability.simulation.mutants import MUTANTS
from tests.reliability.simulation.process import Process
from tests.reliability.simulation.simulation import SimulationError, check, simulate

ROOT = Path(__file__).parents[3]
CHUNKS = [
    range(40),
    *(
        pytest.param(range(start, start + 40), marks=pytest.mark.slow)
        for start in range(40, 120, 40)
    ),
]
EXPECTED_STEPS = {
    *("pause", "kill", "stop", "jump", "outage", "is not reached", "is not answered"),
    *(
        "returned",
        "raised in transaction",
        "raised",
        "gave up",
        "discarded",
        "snoozed",
        "crashed",
        "cancelled",
        "killed",
    ),
    *("stored", "changed", "deleted", "succeeded", "failed", "cancelled", "effect"),
    *("orders", "asked", "command_forgotten", "left_failed", "left_cancelled"),
    *("opened", "renewed", "closed", "answered"),
    *("joined", "joined_again", "parted", "left_succeeded", "pause", "resume"),
    *("hooked", "marked", "marked_again", "unmarked", "restored", "restored_cancelled"),
}
"""The kinds of steps that occur in any hundred seeds."""
MOST = 1_000
"""The number of seeds within which every mutant is found."""


@pytest.mark.parametrize("seeds", CHUNKS, ids=lambda seeds: f"from-{seeds[0]}")
def test_no_seed_has_problems(seeds: range) -> None:
    for seed in seeds:
        check(seed)


def test_a_hundred_seeds_have_every_kind_of_fault_and_step() -> None:
    missing: set[object] = set(EXPECTED_STEPS)
    for seed in range(100):
        missing -= {word for step in simulate(seed).steps for word in step}
        if not missing:
            break
    assert not missing


def test_seeds_replay_exactly_in_one_process() -> None:
    """Eight seeds: each source of random numbers occurs in some of them."""
    first = [simulate(seed) for seed in range(8)]
    assert max(len(one.steps) for one in first) > 100
    assert [simulate(one.seed).fingerprint for one in first] == [
        one.fingerprint for one in first
    ]


def test_a_seed_replays_exactly_in_another_process() -> None:
    assert replayed("11", hash_seed="1") == replayed("11", hash_seed="2")
    assert simulate(11).fingerprint in replayed("11", hash_seed="3")


def test_two_seeds_have_different_steps() -> None:
    assert simulate(11).fingerprint != simulate(12).fingerprint


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_each_mutant_is_found(name: str) -> None:
    with MUTANTS[name]():
        assert first_failure(range(MOST)) is not None


def test_a_paused_process_is_resumed_when_its_simulation_ends() -> None:
    """Its tasks cannot end before, and the simulation would wait for them without end."""

    async def end_while_paused() -> bool:
        process = Process("0.1", node=0, skew=0.0)
        with trio.move_on_after(1):
            await process.pause(60)
        return process.is_paused

    assert not trio.run(end_while_paused, clock=MockClock(autojump_threshold=0))


def test_a_failure_names_the_command_that_replays_it() -> None:
    with MUTANTS["early_sweep"](), pytest.raises(SimulationError, match=r"--seed \d+"):
        for seed in range(MOST):
            check(seed)


def first_failure(seeds: Iterable[int]) -> int | None:
    return next((seed for seed in seeds if simulate(seed).problems), None)


def replayed(seed: str, *, hash_seed: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.reliability.simulation", "--seed", seed],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
