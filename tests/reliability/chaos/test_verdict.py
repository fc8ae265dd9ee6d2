"""The checker sees what it is there to see."""

from collections.abc import Callable

import pytest
from attrs import evolve

from tests.reliability.chaos.verdict import SECOND, Evidence, Run, Start, Waiting, problems


def before(second: int) -> int | None:
    return (second - 1) * SECOND if second else None


def good() -> Evidence:
    """Give the traces of five runs by two processes, and what waits after them."""
    seconds = range(5)
    return Evidence(
        names=["beat"],
        starts=[Start("beat", s * SECOND, before(s), s % 2, s + 0.1, 0.1) for s in seconds],
        runs=[Run("beat", s * SECOND, before(s), s % 2, s + 0.1, s + 0.2) for s in seconds],
        waiting=[Waiting("beat", 5 * SECOND, before(5))],
        missed=[],
        strict=True,
    )


def run_twice(evidence: Evidence) -> Evidence:
    return evolve(evidence, runs=[*evidence.runs, evidence.runs[2]])


def begun_twice(evidence: Evidence) -> Evidence:
    again = evolve(evidence.starts[2], process=7)
    return evolve(evidence, starts=[*evidence.starts, again])


def left_out(evidence: Evidence) -> Evidence:
    runs = [*evidence.runs[:2], evolve(evidence.runs[3], previous=SECOND), evidence.runs[4]]
    starts = [one for one in evidence.starts if one.due != 2 * SECOND]
    return evolve(evidence, runs=runs, starts=starts)


def coalesced_silently(evidence: Evidence) -> Evidence:
    return evolve(left_out(evidence), strict=False)


def told_as_missed_though_it_ran(evidence: Evidence) -> Evidence:
    return evolve(evidence, missed=[("beat", 2 * SECOND, 1)], strict=False)


def lost_at_the_end(evidence: Evidence) -> Evidence:
    return evolve(evidence, waiting=[evolve(evidence.waiting[0], due=7 * SECOND)])


def chained_wrongly(evidence: Evidence) -> Evidence:
    wrong = evolve(evidence.runs[3], previous=SECOND)
    return evolve(evidence, runs=[*evidence.runs[:3], wrong, evidence.runs[4]])


def at_once(evidence: Evidence) -> Evidence:
    long = evolve(evidence.runs[2], ended=3.15)
    return evolve(evidence, runs=[*evidence.runs[:2], long, *evidence.runs[3:]])


def without_a_row(evidence: Evidence) -> Evidence:
    return evolve(evidence, waiting=[])


def with_two_rows(evidence: Evidence) -> Evidence:
    return evolve(evidence, waiting=[*evidence.waiting, *evidence.waiting])


def test_runs_of_every_second_are_good() -> None:
    assert problems(good()) == []


def test_what_was_told_as_missed_is_not_wrong_where_it_may_be() -> None:
    told = evolve(coalesced_silently(good()), missed=[("beat", 2 * SECOND, 1)])
    assert problems(told) == []


def test_what_a_killed_process_began_may_run_again() -> None:
    again = begun_twice(good())
    assert problems(evolve(again, killed={7: 2.1})) == []


def test_nothing_may_run_before_the_process_that_ran_it_was_killed() -> None:
    again = begun_twice(good())
    assert len(problems(evolve(again, killed={7: 2.15}))) == 1


@pytest.mark.parametrize(
    "tampered",
    [
        run_twice,
        begun_twice,
        left_out,
        coalesced_silently,
        told_as_missed_though_it_ran,
        lost_at_the_end,
        chained_wrongly,
        at_once,
        without_a_row,
        with_two_rows,
    ],
)
def test_what_is_wrong_is_seen(tampered: Callable[[Evidence], Evidence]) -> None:
    assert problems(tampered(good()))
