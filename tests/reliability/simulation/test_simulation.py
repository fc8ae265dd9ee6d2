"""Some hundred worlds hold, replay exactly, and show what is broken in them on purpose."""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.reliability.simulation.mutants import MUTANTS
from tests.reliability.simulation.plan import cuts_off
from tests.reliability.simulation.simulation import SimulationError, check, simulate

ROOT = Path(__file__).parents[3]
CHUNKS = [
    range(40),
    *(
        pytest.param(range(start, start + 40), marks=pytest.mark.slow)
        for start in range(40, 120, 40)
    ),
]
ROUGH = {
    *("freeze", "kill", "stop", "jump", "outage", "is not reached", "is not answered"),
    *(
        "returned",
        "spoiled",
        "raised",
        "discarded",
        "snoozed",
        "crashed",
        "cancelled",
        "killed",
    ),
    *("stored", "changed", "gone", "succeeded", "failed", "effect"),
    *("opened", "renewed", "closed", "answered"),
}
"""What happens in any hundred worlds."""
MOST = 500
"""Within so many seeds every mutant is found."""
ONLY = {"trusting": cuts_off}
"""In which worlds the one that takes longest can be found."""


@pytest.mark.parametrize("seeds", CHUNKS, ids=lambda seeds: f"from-{seeds[0]}")
def test_no_world_shows_anything_wrong(seeds: range) -> None:
    for seed in seeds:
        check(seed)


def test_the_worlds_are_as_rough_as_they_should_be() -> None:
    missing: set[object] = set(ROUGH)
    for seed in range(100):
        missing -= {word for step in simulate(seed).steps for word in step}
        if not missing:
            break
    assert not missing


def test_a_seed_replays_exactly_in_one_process() -> None:
    first = simulate(11)
    simulate(12)
    assert len(first.steps) > 100
    assert simulate(11).fingerprint == first.fingerprint


def test_a_seed_replays_exactly_in_another_process() -> None:
    assert replayed("11", hash_seed="1") == replayed("11", hash_seed="2")
    assert simulate(11).fingerprint in replayed("11", hash_seed="3")


def test_two_seeds_are_two_worlds() -> None:
    assert simulate(11).fingerprint != simulate(12).fingerprint


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_a_fault_put_in_is_found(name: str) -> None:
    with MUTANTS[name]():
        assert first_failure(filter(ONLY.get(name, always), range(MOST))) is not None


def test_a_failure_says_how_to_replay_it() -> None:
    with MUTANTS["greedy"](), pytest.raises(SimulationError, match=r"--seed \d+"):
        for seed in range(MOST):
            check(seed)


def always(seed: int) -> bool:
    return True


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
