"""The checks of a storm see what they are there to see."""

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from tests.reliability.chaos.audit import Entry
from tests.reliability.chaos.checks import (
    Effect,
    Evidence,
    Fate,
    Finding,
    Run,
    counted,
    findings,
)
from tests.reliability.chaos.history import longest_stall

JOB = "job"
SECOND = 1_000_000


def entry(
    what: str, number: int, moment: float, owner: str | None = None, **more: int
) -> Entry:
    counters = {"attempts": 0, "crashes": 0, "interruptions": 0} | more
    left = -1.0 if more.get("crashes") else 1.0
    return Entry(what, JOB, owner, number, **counters, due=0.0, lease_left=left, moment=moment)


STORED = entry("stored", 0, 0.0)
CLAIMED = entry("claimed", 1, 1.0, "first")
FREED = entry("freed", 1, 3.0, "first", crashes=1)
CLAIMED_AGAIN = entry("claimed", 2, 4.0, "second", crashes=1)
SUCCEEDED = entry("succeeded", 2, 5.0, "second", crashes=1)
DELETED = entry("deleted", 2, 5.0, "second", crashes=1)
HISTORY = [STORED, CLAIMED, FREED, CLAIMED_AGAIN, SUCCEEDED, DELETED]


def history_of(fate: Fate) -> list[Entry]:
    """Give the history of a job that ended at once, or waits."""
    steps = [STORED]
    if fate.state == "succeeded":
        steps += [CLAIMED, evolve(CLAIMED, what="succeeded"), evolve(CLAIMED, what="deleted")]
    return [evolve(one, job=fate.id) for one in steps]


def occurrence(number: int, state: str = "succeeded") -> Fate:
    due = number * SECOND
    return Fate(
        id=f"beat-{number}",
        name="beat",
        state=state,
        occurrence=("beat", due, due - SECOND if number else None),
    )


def good() -> Evidence:
    """Give the evidence of a job whose first worker died, and of a schedule."""
    fate = Fate(id=JOB, name="steady", state="succeeded", key="sale-1", number=2, crashes=1)
    beats = [occurrence(0), occurrence(1), occurrence(2, "waiting")]
    return Evidence(
        fates=[fate, *beats],
        acknowledged=[JOB],
        entries=[*HISTORY, *(one for beat in beats for one in history_of(beat))],
        runs=[Run(JOB, 1), Run(JOB, 2)],
        effects=[Effect(JOB, 2), Effect("beat-0", 1), Effect("beat-1", 1)],
        sales=["sale-1"],
    )


def with_fate(evidence: Evidence, **changes: Any) -> Evidence:
    first, *others = evidence.fates
    return evolve(evidence, fates=[evolve(first, **changes), *others])


def with_history(evidence: Evidence, *entries: Entry) -> Evidence:
    others = [one for one in evidence.entries if one.job != JOB]
    return evolve(evidence, entries=[*entries, *others])


def gone(evidence: Evidence) -> Evidence:
    return evolve(evidence, acknowledged=[JOB, "other"])


def never_ended(evidence: Evidence) -> Evidence:
    return evolve(with_fate(evidence, state="waiting"), effects=evidence.effects[1:])


def still_reserved(evidence: Evidence) -> Evidence:
    return evolve(with_fate(evidence, state="reserved"), effects=evidence.effects[1:])


def in_two_tables(evidence: Evidence) -> Evidence:
    return evolve(evidence, fates=[*evidence.fates, evolve(evidence.fates[0], key="")])


def ended_twice(evidence: Evidence) -> Evidence:
    return with_history(evidence, *HISTORY, SUCCEEDED)


def effect_twice(evidence: Evidence) -> Evidence:
    return evolve(evidence, effects=[*evidence.effects, Effect(JOB, 1)])


def no_effect(evidence: Evidence) -> Evidence:
    return evolve(evidence, effects=evidence.effects[1:])


def effect_of_a_failure(evidence: Evidence) -> Evidence:
    return with_fate(evidence, state="failed")


def effect_of_another_run(evidence: Evidence) -> Evidence:
    return evolve(evidence, effects=[Effect(JOB, 1), *evidence.effects[1:]])


def effect_of_nothing(evidence: Evidence) -> Evidence:
    return evolve(evidence, effects=[*evidence.effects, Effect("other", 1)])


def stored_twice(evidence: Evidence) -> Evidence:
    again = Fate(id="other", name="raiser", state="failed", key="sale-1")
    return evolve(evidence, fates=[*evidence.fates, again])


def row_without_its_job(evidence: Evidence) -> Evidence:
    return evolve(evidence, sales=["sale-1", "sale-2"])


def job_without_its_row(evidence: Evidence) -> Evidence:
    return evolve(evidence, sales=[])


def run_twice_under_one_reservation(evidence: Evidence) -> Evidence:
    return evolve(evidence, runs=[Run(JOB, 1), Run(JOB, 1)])


def run_once_too_often(evidence: Evidence) -> Evidence:
    return with_fate(evolve(evidence, runs=[*evidence.runs, Run(JOB, 3)]), number=3)


def crashed_too_often(evidence: Evidence) -> Evidence:
    return with_fate(evidence, crashes=4)


def occurrence_twice(evidence: Evidence) -> Evidence:
    again = evolve(occurrence(1), id="another")
    effect = Effect("another", 1)
    return evolve(evidence, fates=[*evidence.fates, again], effects=[*evidence.effects, effect])


def occurrence_left_out(evidence: Evidence) -> Evidence:
    fates = [one for one in evidence.fates if one.id != "beat-1"]
    effects = [one for one in evidence.effects if one.job != "beat-1"]
    return evolve(evidence, fates=fates, effects=effects)


def two_occurrences_wait(evidence: Evidence) -> Evidence:
    return evolve(evidence, fates=[*evidence.fates, occurrence(3, "waiting")])


def none_waits(evidence: Evidence) -> Evidence:
    return evolve(evidence, fates=evidence.fates[:-1])


def failed_for_no_reason(evidence: Evidence) -> Evidence:
    failed = evolve(no_effect(with_fate(evidence, state="failed")))
    return evolve(failed, reasons=lambda name, error: False)


def claimed_while_held(evidence: Evidence) -> Evidence:
    return with_history(evidence, STORED, CLAIMED, CLAIMED_AGAIN, SUCCEEDED, DELETED)


def robbed(evidence: Evidence) -> Evidence:
    taken = evolve(CLAIMED_AGAIN, what="robbed")
    return with_history(evidence, STORED, CLAIMED, taken, SUCCEEDED, DELETED)


def number_left_out(evidence: Evidence) -> Evidence:
    skipping = evolve(CLAIMED, number=3)
    return with_history(evidence, STORED, skipping)


def number_used_again(evidence: Evidence) -> Evidence:
    again = evolve(CLAIMED_AGAIN, number=1)
    return with_history(evidence, STORED, CLAIMED, FREED, again)


def freed_by_a_stranger(evidence: Evidence) -> Evidence:
    return with_history(evidence, STORED, CLAIMED, evolve(FREED, owner="second"))


def ended_by_a_stranger(evidence: Evidence) -> Evidence:
    strange = evolve(SUCCEEDED, owner="first", number=1)
    return with_history(evidence, *HISTORY[:4], strange, DELETED)


def ended_while_nobody_held_it(evidence: Evidence) -> Evidence:
    return with_history(evidence, STORED, CLAIMED, FREED, evolve(SUCCEEDED, number=1))


def claimed_after_its_end(evidence: Evidence) -> Evidence:
    return with_history(evidence, *HISTORY, evolve(CLAIMED, number=3, moment=6.0))


def stored_after_its_end(evidence: Evidence) -> Evidence:
    return with_history(evidence, *HISTORY, evolve(STORED, moment=6.0))


def two_counters_at_once(evidence: Evidence) -> Evidence:
    return with_history(evidence, STORED, CLAIMED, evolve(FREED, attempts=1))


def counter_fell(evidence: Evidence) -> Evidence:
    claimed = evolve(CLAIMED, crashes=2)
    return with_history(evidence, STORED, claimed, FREED)


def taken_from_the_living(evidence: Evidence) -> Evidence:
    return with_history(evidence, STORED, CLAIMED, evolve(FREED, lease_left=0.5))


def wrong_elsewhere(evidence: Evidence) -> Evidence:
    return evolve(evidence, others=["two threads were left"])


def nothing_written_down(evidence: Evidence) -> Evidence:
    return with_history(evidence)


def test_the_evidence_of_a_good_storm_is_good() -> None:
    assert findings(good()) == []


def test_a_crash_under_a_live_lease_may_be_the_handlers_own() -> None:
    robbed_of = taken_from_the_living(good())
    assert findings(evolve(robbed_of, culprits=["steady"])) == []


def test_clocks_that_jump_say_nothing_about_leases() -> None:
    assert findings(evolve(taken_from_the_living(good()), is_time_true=False)) == []


def test_the_waiting_occurrence_may_be_planned_anew() -> None:
    anew = [evolve(STORED, job="beat-9"), evolve(DELETED, job="beat-9", owner=None, number=0)]
    assert findings(evolve(good(), entries=[*good().entries, *anew])) == []


@pytest.mark.parametrize(
    ("tampered", "kind"),
    [
        (gone, "lost"),
        (never_ended, "lost"),
        (no_effect, "lost"),
        (row_without_its_job, "lost"),
        (occurrence_left_out, "lost"),
        (in_two_tables, "doubled"),
        (ended_twice, "doubled"),
        (effect_twice, "doubled"),
        (effect_of_a_failure, "doubled"),
        (stored_twice, "doubled"),
        (occurrence_twice, "doubled"),
        (still_reserved, "wrong"),
        (effect_of_another_run, "wrong"),
        (effect_of_nothing, "wrong"),
        (job_without_its_row, "wrong"),
        (run_twice_under_one_reservation, "wrong"),
        (run_once_too_often, "wrong"),
        (crashed_too_often, "wrong"),
        (two_occurrences_wait, "wrong"),
        (none_waits, "wrong"),
        (failed_for_no_reason, "wrong"),
        (claimed_while_held, "wrong"),
        (robbed, "wrong"),
        (number_left_out, "wrong"),
        (number_used_again, "wrong"),
        (freed_by_a_stranger, "wrong"),
        (ended_by_a_stranger, "wrong"),
        (ended_while_nobody_held_it, "wrong"),
        (claimed_after_its_end, "wrong"),
        (stored_after_its_end, "wrong"),
        (two_counters_at_once, "wrong"),
        (counter_fell, "wrong"),
        (taken_from_the_living, "wrong"),
        (wrong_elsewhere, "wrong"),
        (nothing_written_down, "wrong"),
    ],
)
def test_what_is_wrong_is_seen(tampered: Callable[[Evidence], Evidence], kind: str) -> None:
    assert counted(findings(tampered(good())))[kind] >= 1


def test_findings_are_counted_by_kind() -> None:
    found = [Finding("lost", "a"), Finding("lost", "b"), Finding("doubled", "c")]
    assert counted(found) == {"lost": 2, "doubled": 1}


def test_a_stall_is_the_longest_time_with_something_due_and_no_end() -> None:
    late = evolve(STORED, job="late", moment=20.0)
    ended = evolve(SUCCEEDED, job="late", moment=21.5)
    assert longest_stall([*HISTORY, late, ended]) == pytest.approx(3.0)


def test_nothing_stalls_where_nothing_is_due() -> None:
    delayed = evolve(STORED, due=9.0)
    assert longest_stall([delayed, evolve(SUCCEEDED, moment=9.5)]) == pytest.approx(0.5)
