"""The checker of schedules finds each kind of violation, and accepts correct runs."""

from collections.abc import Callable

import pytest
from attrs import evolve

from tests.reliability.chaos.schedules.checker import (
    SECOND,
    FleetObservations,
    Run,
    Start,
    Waiting,
    violations,
)


def before(second: int) -> int | None:
    return (second - 1) * SECOND if second else None


def good() -> FleetObservations:
    """Return the observations of five runs by two processes, and of the waiting row."""
    seconds = range(5)
    return FleetObservations(
        names=["beat"],
        starts=[Start("beat", s * SECOND, before(s), s % 2, s + 0.1, 0.1) for s in seconds],
        runs=[Run("beat", s * SECOND, before(s), s % 2, s + 0.1, s + 0.2) for s in seconds],
        waiting=[Waiting("beat", 5 * SECOND, before(5))],
        missed=[],
        strict=True,
    )


def run_twice(observations: FleetObservations) -> FleetObservations:
    return evolve(observations, runs=[*observations.runs, observations.runs[2]])


def started_twice(observations: FleetObservations) -> FleetObservations:
    again = evolve(observations.starts[2], process=7)
    return evolve(observations, starts=[*observations.starts, again])


def left_out(observations: FleetObservations) -> FleetObservations:
    runs = [
        *observations.runs[:2],
        evolve(observations.runs[3], previous=SECOND),
        observations.runs[4],
    ]
    starts = [one for one in observations.starts if one.due != 2 * SECOND]
    return evolve(observations, runs=runs, starts=starts)


def coalesced_without_a_report(observations: FleetObservations) -> FleetObservations:
    return evolve(left_out(observations), strict=False)


def reported_as_missed_though_it_ran(observations: FleetObservations) -> FleetObservations:
    return evolve(observations, missed=[("beat", 2 * SECOND, 1)], strict=False)


def lost_at_the_end(observations: FleetObservations) -> FleetObservations:
    return evolve(observations, waiting=[evolve(observations.waiting[0], due=7 * SECOND)])


def chained_wrongly(observations: FleetObservations) -> FleetObservations:
    wrong = evolve(observations.runs[3], previous=SECOND)
    return evolve(observations, runs=[*observations.runs[:3], wrong, observations.runs[4]])


def at_once(observations: FleetObservations) -> FleetObservations:
    long = evolve(observations.runs[2], ended=3.15)
    return evolve(observations, runs=[*observations.runs[:2], long, *observations.runs[3:]])


def without_a_row(observations: FleetObservations) -> FleetObservations:
    return evolve(observations, waiting=[])


def with_two_rows(observations: FleetObservations) -> FleetObservations:
    return evolve(observations, waiting=[*observations.waiting, *observations.waiting])


def test_one_run_for_every_second_has_no_violations() -> None:
    assert violations(good()) == []


def test_a_reported_missed_occurrence_is_accepted_unless_strict() -> None:
    reported = evolve(coalesced_without_a_report(good()), missed=[("beat", 2 * SECOND, 1)])
    assert violations(reported) == []


def test_the_occurrence_of_a_killed_process_may_run_again() -> None:
    again = started_twice(good())
    assert violations(evolve(again, killed={7: 2.1})) == []


def test_an_occurrence_may_not_run_again_before_its_process_was_killed() -> None:
    again = started_twice(good())
    assert len(violations(evolve(again, killed={7: 2.15}))) == 1


@pytest.mark.parametrize(
    "tampered",
    [
        run_twice,
        started_twice,
        left_out,
        coalesced_without_a_report,
        reported_as_missed_though_it_ran,
        lost_at_the_end,
        chained_wrongly,
        at_once,
        without_a_row,
        with_two_rows,
    ],
)
def test_each_violation_is_found(
    tampered: Callable[[FleetObservations], FleetObservations],
) -> None:
    assert violations(tampered(good()))
