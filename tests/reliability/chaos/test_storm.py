"""Short storms on both stores; for longer: ``nox -s chaos``."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.reliability.chaos.arena import Arena
from tests.reliability.chaos.faults.menu import faults_on
from tests.reliability.chaos.ground import Ground, ground
from tests.reliability.chaos.handlers import EFFECTS
from tests.reliability.chaos.storm import Plan, run_phase
from tests.reliability.chaos.table import lines
from tests.reliability.chaos.verdicts import Outcome

pytestmark = pytest.mark.slow

SEED = 20
HARM = ("kill", "pause", "producer", "points", "shutdown", "busy")


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    is_postgres = request.param == "postgres"
    dsn = request.getfixturevalue("postgres_dsn") if is_postgres else ""
    with ground(request.param, tmp_path, dsn) as given:
        yield given


def storm(place: Ground, names: Sequence[str], seconds: float) -> Outcome:
    faults = faults_on(place.store, names)
    plan = Plan(name="short", faults=faults, seconds=seconds, seed=SEED)
    return run_phase(plan, place)


def has_doubled(arena: Arena) -> bool:
    """Say whether a job has written twice."""
    table = arena.orders.table(EFFECTS)
    with closing(arena.database.connect()) as connection:
        query = f"select job from {table} group by job having count(*) > 1 limit 1"
        return connection.execute(query).fetchone() is not None


def test_nothing_is_lost_or_doubled_though_processes_are_killed_stopped_and_told_to_end(
    place: Ground,
) -> None:
    outcome = storm(place, HARM, 6.0)
    assert not outcome.found, "\n".join(lines([outcome]))
    assert outcome.strikes["kills"] > 0
    assert outcome.strikes["TERM"] > 0
    assert any(what.startswith("died") for what in outcome.strikes)
    assert any(what.startswith("stopped") for what in outcome.strikes)


def test_nothing_is_lost_or_doubled_whatever_handlers_and_listeners_do(place: Ground) -> None:
    outcome = storm(place, ["zoo"], 3.0)
    assert not outcome.found, "\n".join(lines([outcome]))
    assert any(what.startswith("struck") for what in outcome.strikes)


def test_without_the_fence_doubles_are_found(place: Ground) -> None:
    plan = Plan(
        name="unfenced",
        faults=faults_on(place.store, ["pause"]),
        seconds=0.0,
        seed=SEED,
        unfenced=True,
        enough=has_doubled,
    )
    outcome = run_phase(plan, place)
    doubled = [one.text for one in outcome.found if one.kind == "doubled"]
    assert any("2 effects" in text for text in doubled), "\n".join(lines([outcome]))
