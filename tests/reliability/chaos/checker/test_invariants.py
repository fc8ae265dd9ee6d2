"""The checker finds each kind of violation, and accepts a correct history."""

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from tests.reliability.chaos.checker.audit import Entry
from tests.reliability.chaos.checker.history import longest_stall
from tests.reliability.chaos.checker.invariants import (
    Effect,
    JobRecord,
    Observations,
    Run,
    Violation,
    counted,
    violations,
)
from tests.reliability.chaos.processes.handlers import KEEPING

JOB = "job"
SECOND = 1_000_000


def entry(
    what: str, number: int, monotonic: float, owner: str | None = None, **more: int
) -> Entry:
    counters = {"attempts": 0, "crashes": 0, "interruptions": 0} | more
    left = -1.0 if more.get("crashes") else 1.0
    return Entry(
        what, JOB, owner, number, **counters, due=0.0, lease_left=left, monotonic=monotonic
    )


STORED = entry("stored", 0, 0.0)
RESERVED = entry("reserved", 1, 1.0, "first")
RELEASED = entry("released", 1, 3.0, "first", crashes=1)
RESERVED_AGAIN = entry("reserved", 2, 4.0, "second", crashes=1)
SUCCEEDED = entry("succeeded", 2, 5.0, "second", crashes=1)
DELETED = entry("deleted", 2, 5.0, "second", crashes=1)
HISTORY = [STORED, RESERVED, RELEASED, RESERVED_AGAIN, SUCCEEDED, DELETED]


def history_of(job: JobRecord) -> list[Entry]:
    """Return the history of a job that ended in its first run, or waits."""
    steps = [STORED]
    if job.state == "succeeded":
        steps += [
            RESERVED,
            evolve(RESERVED, what="succeeded"),
            evolve(RESERVED, what="deleted"),
        ]
    return [evolve(one, job=job.id) for one in steps]


def occurrence(number: int, state: str = "succeeded") -> JobRecord:
    due = number * SECOND
    return JobRecord(
        id=f"beat-{number}",
        name="beat",
        state=state,
        progress=1 if state == "succeeded" else None,
        occurrence=("beat", due, due - SECOND if number else None),
    )


def good() -> Observations:
    """Return the observations of a job whose first worker died, and of a schedule."""
    job = JobRecord(
        id=JOB, name="steady", state="succeeded", key="sale-1", number=2, crashes=1, progress=2
    )
    beats = [occurrence(0), occurrence(1), occurrence(2, "waiting")]
    return Observations(
        jobs=[job, *beats],
        acknowledged=[JOB],
        entries=[*HISTORY, *(one for beat in beats for one in history_of(beat))],
        runs=[Run(JOB, 1), Run(JOB, 2)],
        effects=[Effect(JOB, 2), Effect("beat-0", 1), Effect("beat-1", 1)],
        sales=["sale-1"],
    )


def with_fate(observed: Observations, **changes: Any) -> Observations:
    first, *others = observed.jobs
    return evolve(observed, jobs=[evolve(first, **changes), *others])


def with_history(observed: Observations, *entries: Entry) -> Observations:
    others = [one for one in observed.entries if one.job != JOB]
    return evolve(observed, entries=[*entries, *others])


def acknowledged_but_missing(observed: Observations) -> Observations:
    return evolve(observed, acknowledged=[JOB, "other"])


def never_ended(observed: Observations) -> Observations:
    return evolve(with_fate(observed, state="waiting"), effects=observed.effects[1:])


def still_reserved(observed: Observations) -> Observations:
    return evolve(with_fate(observed, state="running"), effects=observed.effects[1:])


def result_lost(observed: Observations) -> Observations:
    return with_fate(observed, name=KEEPING)


def result_of_another(observed: Observations) -> Observations:
    return with_fate(observed, name=KEEPING, result='"sale-2"')


def result_of_a_worker_that_keeps_none(observed: Observations) -> Observations:
    return with_fate(observed, result='"sale-1"')


def in_two_tables(observed: Observations) -> Observations:
    return evolve(observed, jobs=[*observed.jobs, evolve(observed.jobs[0], key="")])


def ended_twice(observed: Observations) -> Observations:
    return with_history(observed, *HISTORY, SUCCEEDED)


def effect_twice(observed: Observations) -> Observations:
    return evolve(observed, effects=[*observed.effects, Effect(JOB, 1)])


def no_effect(observed: Observations) -> Observations:
    return evolve(observed, effects=observed.effects[1:])


def progress_of_an_earlier_run(observed: Observations) -> Observations:
    return with_fate(observed, progress=1)


def effect_of_a_failure(observed: Observations) -> Observations:
    return with_fate(observed, state="failed")


def effect_of_another_run(observed: Observations) -> Observations:
    return evolve(observed, effects=[Effect(JOB, 1), *observed.effects[1:]])


def effect_of_nothing(observed: Observations) -> Observations:
    return evolve(observed, effects=[*observed.effects, Effect("other", 1)])


def stored_twice(observed: Observations) -> Observations:
    again = JobRecord(id="other", name="raiser", state="failed", key="sale-1")
    return evolve(observed, jobs=[*observed.jobs, again])


def row_without_its_job(observed: Observations) -> Observations:
    return evolve(observed, sales=["sale-1", "sale-2"])


def job_without_its_row(observed: Observations) -> Observations:
    return evolve(observed, sales=[])


def run_twice_under_one_reservation(observed: Observations) -> Observations:
    return evolve(observed, runs=[Run(JOB, 1), Run(JOB, 1)])


def run_once_too_often(observed: Observations) -> Observations:
    return with_fate(evolve(observed, runs=[*observed.runs, Run(JOB, 3)]), number=3)


def crashed_too_often(observed: Observations) -> Observations:
    return with_fate(observed, crashes=4)


def occurrence_twice(observed: Observations) -> Observations:
    again = evolve(occurrence(1), id="another")
    effect = Effect("another", 1)
    return evolve(observed, jobs=[*observed.jobs, again], effects=[*observed.effects, effect])


def occurrence_left_out(observed: Observations) -> Observations:
    jobs = [one for one in observed.jobs if one.id != "beat-1"]
    effects = [one for one in observed.effects if one.job != "beat-1"]
    return evolve(observed, jobs=jobs, effects=effects)


def two_occurrences_wait(observed: Observations) -> Observations:
    return evolve(observed, jobs=[*observed.jobs, occurrence(3, "waiting")])


def none_waits(observed: Observations) -> Observations:
    return evolve(observed, jobs=observed.jobs[:-1])


def failed_for_no_reason(observed: Observations) -> Observations:
    failed = evolve(no_effect(with_fate(observed, state="failed")))
    return evolve(failed, reasons=lambda name, error: False)


def reserved_while_held(observed: Observations) -> Observations:
    return with_history(observed, STORED, RESERVED, RESERVED_AGAIN, SUCCEEDED, DELETED)


def stolen(observed: Observations) -> Observations:
    taken = evolve(RESERVED_AGAIN, what="stolen")
    return with_history(observed, STORED, RESERVED, taken, SUCCEEDED, DELETED)


def number_left_out(observed: Observations) -> Observations:
    skipping = evolve(RESERVED, number=3)
    return with_history(observed, STORED, skipping)


def number_used_again(observed: Observations) -> Observations:
    again = evolve(RESERVED_AGAIN, number=1)
    return with_history(observed, STORED, RESERVED, RELEASED, again)


def released_by_another_owner(observed: Observations) -> Observations:
    return with_history(observed, STORED, RESERVED, evolve(RELEASED, owner="second"))


def ended_by_another_owner(observed: Observations) -> Observations:
    strange = evolve(SUCCEEDED, owner="first", number=1)
    return with_history(observed, *HISTORY[:4], strange, DELETED)


def ended_while_not_reserved(observed: Observations) -> Observations:
    return with_history(observed, STORED, RESERVED, RELEASED, evolve(SUCCEEDED, number=1))


def reserved_after_its_end(observed: Observations) -> Observations:
    return with_history(observed, *HISTORY, evolve(RESERVED, number=3, monotonic=6.0))


def stored_after_its_end(observed: Observations) -> Observations:
    return with_history(observed, *HISTORY, evolve(STORED, monotonic=6.0))


def two_counters_at_once(observed: Observations) -> Observations:
    return with_history(observed, STORED, RESERVED, evolve(RELEASED, attempts=1))


def counter_fell(observed: Observations) -> Observations:
    reserved = evolve(RESERVED, crashes=2)
    return with_history(observed, STORED, reserved, RELEASED)


def crash_counted_under_a_valid_lease(observed: Observations) -> Observations:
    return with_history(observed, STORED, RESERVED, evolve(RELEASED, lease_left=0.5))


def other_problems(observed: Observations) -> Observations:
    return evolve(observed, others=["two threads were left"])


def failed(observed: Observations) -> Observations:
    """The job has failed, as its function has written."""
    end = evolve(SUCCEEDED, what="failed")
    ended = with_history(with_fate(observed, state="failed"), *HISTORY[:-2], end, DELETED)
    return evolve(ended, effects=observed.effects[1:], ends=[JOB])


def end_not_written(observed: Observations) -> Observations:
    return evolve(failed(observed), ends=[])


def end_written_twice(observed: Observations) -> Observations:
    return evolve(failed(observed), ends=[JOB, JOB])


def end_written_of_a_success(observed: Observations) -> Observations:
    return evolve(observed, ends=[JOB])


def end_written_of_nothing(observed: Observations) -> Observations:
    return evolve(observed, ends=["other"])


def marked(observed: Observations, number: int = 2) -> Observations:
    """The end of the failed job was left to a process with its worker."""
    mark = evolve(RESERVED_AGAIN, what="marked", owner="marks", number=number)
    first = [one for one in failed(observed).entries if one.job == JOB][:-2]
    end = evolve(SUCCEEDED, what="failed", owner="marks", number=number)
    gone = evolve(DELETED, owner="marks", number=number)
    return with_history(failed(observed), *first, mark, end, gone)


def marked_as_another_reservation(observed: Observations) -> Observations:
    return marked(observed, number=3)


def no_audit_entries(observed: Observations) -> Observations:
    return with_history(observed)


def test_a_correct_history_has_no_violations() -> None:
    assert violations(good()) == []


def test_a_failed_job_has_the_row_of_its_end() -> None:
    assert violations(failed(good())) == []


def test_another_process_may_write_the_end_of_a_failed_job() -> None:
    assert violations(marked(good())) == []


def test_a_handler_that_crashes_its_queue_may_count_a_crash_under_a_valid_lease() -> None:
    taken = crash_counted_under_a_valid_lease(good())
    assert violations(evolve(taken, crashing_workers=["steady"])) == []


def test_leases_are_not_checked_when_clocks_jump() -> None:
    assert (
        violations(evolve(crash_counted_under_a_valid_lease(good()), is_time_true=False)) == []
    )


def test_the_waiting_occurrence_may_be_replanned() -> None:
    anew = [evolve(STORED, job="beat-9"), evolve(DELETED, job="beat-9", owner=None, number=0)]
    assert violations(evolve(good(), entries=[*good().entries, *anew])) == []


@pytest.mark.parametrize(
    ("tampered", "kind"),
    [
        (acknowledged_but_missing, "lost"),
        (never_ended, "lost"),
        (no_effect, "lost"),
        (progress_of_an_earlier_run, "lost"),
        (row_without_its_job, "lost"),
        (end_not_written, "lost"),
        (occurrence_left_out, "lost"),
        (in_two_tables, "duplicated"),
        (ended_twice, "duplicated"),
        (effect_twice, "duplicated"),
        (effect_of_a_failure, "duplicated"),
        (end_written_twice, "duplicated"),
        (stored_twice, "duplicated"),
        (occurrence_twice, "duplicated"),
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
        (reserved_while_held, "wrong"),
        (stolen, "wrong"),
        (number_left_out, "wrong"),
        (number_used_again, "wrong"),
        (released_by_another_owner, "wrong"),
        (ended_by_another_owner, "wrong"),
        (ended_while_not_reserved, "wrong"),
        (reserved_after_its_end, "wrong"),
        (stored_after_its_end, "wrong"),
        (two_counters_at_once, "wrong"),
        (counter_fell, "wrong"),
        (crash_counted_under_a_valid_lease, "wrong"),
        (end_written_of_a_success, "wrong"),
        (end_written_of_nothing, "wrong"),
        (marked_as_another_reservation, "wrong"),
        (other_problems, "wrong"),
        (no_audit_entries, "wrong"),
        (result_lost, "wrong"),
        (result_of_another, "wrong"),
        (result_of_a_worker_that_keeps_none, "wrong"),
    ],
)
def test_each_violation_is_found(
    tampered: Callable[[Observations], Observations], kind: str
) -> None:
    assert counted(violations(tampered(good())))[kind] >= 1


def test_violations_are_counted_by_kind() -> None:
    found = [Violation("lost", "a"), Violation("lost", "b"), Violation("duplicated", "c")]
    assert counted(found) == {"lost": 2, "duplicated": 1}


def test_a_stall_is_the_longest_time_with_due_jobs_and_no_end_of_a_job() -> None:
    late = evolve(STORED, job="late", monotonic=20.0)
    ended = evolve(SUCCEEDED, job="late", monotonic=21.5)
    assert longest_stall([*HISTORY, late, ended]) == pytest.approx(3.0)


def test_there_is_no_stall_while_no_job_is_due() -> None:
    delayed = evolve(STORED, due=9.0)
    assert longest_stall([delayed, evolve(SUCCEEDED, monotonic=9.5)]) == pytest.approx(0.5)
