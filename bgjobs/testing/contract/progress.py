"""`write` with reports of progress. `settlements` checks the fence of reports, too."""

from bgjobs._core.jobs import Job
from bgjobs._core.progress import LARGEST_AMOUNT, LONGEST_NOTE, Progress
from bgjobs._core.settlements import Report
from bgjobs.stores.port import Store
from bgjobs.testing.contract.steps import (
    ENDS,
    ERROR,
    LEASE,
    NOW,
    PROGRESS,
    SECOND,
    ask,
    drop,
    enqueued,
    fail,
    hold,
    listed,
    put,
    put_one,
    report,
    requeue,
    start,
    succeed,
    take,
)


def _progress_of(store: Store, job: Job) -> Progress | None:
    found = store.find(job.id)
    assert found is not None
    return found.progress


def check_a_report_changes_only_the_progress(store: Store) -> None:
    """The job stays reserved, with all its other fields."""
    held = hold(store, priority=4, unique_key="k", metadata=(("color", "red"),))
    assert held.progress is None
    written = store.write(progress=[report(held)], now=NOW + SECOND)
    assert not written.jobs
    assert not written.lost
    found = store.find(held.id)
    assert isinstance(found, Job)
    assert found.progress == PROGRESS
    assert _without_progress(found) == _without_progress(held)
    assert found.state == "running"


def _without_progress(job: Job) -> list[object]:
    return [
        *(job.id, job.name, job.payload, job.priority, job.attempts, job.crashes),
        *(job.interruptions, job.reservations, job.created_at, job.available_at),
        *(job.reserved_at, job.reserved_by, job.unique_key, job.errors, job.metadata),
        *(job.occurrence, job.history),
    ]


def check_the_last_report_counts(store: Store) -> None:
    """Each report replaces the one before as a whole, even by less."""
    held = hold(store)
    store.write(progress=[report(held)], now=NOW)
    less = Progress(done=1, reported_at=NOW + SECOND)
    store.write(progress=[Report(held.reservation, less)], now=NOW)
    assert _progress_of(store, held) == less


def check_progress_is_kept_exactly(store: Store) -> None:
    """Whole numbers stay whole; fractions, the largest amounts and any note are kept."""
    held = hold(store)
    for values in (
        {"done": 0, "total": 0, "note": ""},
        {"done": 0.1 + 0.2, "total": 1e-300},
        {"done": LARGEST_AMOUNT, "total": LARGEST_AMOUNT},
        {"done": 5, "total": 3, "note": "\U0001f989" * LONGEST_NOTE},
        {"done": 1, "total": 3.0, "note": "\x07" * LONGEST_NOTE},
    ):
        given = report(held, **values)
        assert not store.write(progress=[given], now=NOW).lost
        found = _progress_of(store, held)
        assert found is not None
        assert found == given.progress
        assert type(found.done) is type(given.progress.done)


def check_one_write_reports_on_many_jobs(store: Store) -> None:
    """Each job has its own progress, in whatever order they are given."""
    put(store, *(ask() for _ in range(100)))
    held = list(take(store, start(store)))
    reports = [report(job, done=number) for number, job in enumerate(held)]
    assert not store.write(progress=reports[::-1], now=NOW).lost
    found = [job.progress and job.progress.done for job in listed(store, "running")]
    assert found == [*range(100)]


def check_a_lost_report_does_not_stop_the_others(store: Store) -> None:
    """It is reported as lost, and everything else in the write is stored."""
    mine, theirs, ended = hold(store), hold(store), hold(store)
    store.write(settle=[requeue(theirs)], now=NOW)
    reports = [report(theirs), report(mine), report(ended)]
    written = store.write(settle=[succeed(ended)], progress=reports, now=NOW)
    assert list(written.lost) == [theirs.reservation]
    assert _progress_of(store, theirs) is None
    assert _progress_of(store, mine) == _progress_of(store, ended) == PROGRESS


def check_a_lost_report_leaves_the_next_owner_its_progress(store: Store) -> None:
    """A process that was declared dead cannot overwrite what the next one has reported."""
    held = hold(store)
    store.write(settle=[requeue(held)], now=NOW)
    [again] = take(store, start(store))
    store.write(progress=[report(again, done=7)], now=NOW)
    late = store.write(settle=[fail(held)], progress=[report(held)], now=NOW)
    assert list(late.lost) == [held.reservation, held.reservation]
    assert listed(store, "running")[0].progress == report(again, done=7).progress


def check_progress_is_written_before_the_end(store: Store) -> None:
    """A job that ends in the same write has it, whatever its end is."""
    for state, settle in ENDS.items():
        held = hold(store)
        store.write(settle=[settle(held)], progress=[report(held)], now=NOW)
        assert _progress_of(store, held) == PROGRESS
        assert [job.progress for job in listed(store, state)] == [PROGRESS]


def check_a_result_does_not_replace_progress(store: Store) -> None:
    """A job whose end has a result keeps its progress, too."""
    held = hold(store)
    store.write(settle=[succeed(held, "3")], progress=[report(held)], now=NOW)
    assert _progress_of(store, held) == PROGRESS


def check_completing_keeps_progress(store: Store) -> None:
    """So does a job that ends together with work."""
    held = hold(store)
    store.write(progress=[report(held)], now=NOW)
    assert store.complete(held.reservation, lambda _: None, now=NOW)
    assert _progress_of(store, held) == PROGRESS


def check_a_dropped_job_takes_its_progress_along(store: Store) -> None:
    """A report on a job that is dropped in the same write is not lost, but gone."""
    held = hold(store)
    assert not store.write(settle=[drop(held)], progress=[report(held)], now=NOW).lost
    assert store.find(held.id) is None


def check_progress_survives_being_put_back(store: Store) -> None:
    """A job that waits again, and its next reservation, have the progress of the last one."""
    held = hold(store)
    raised = requeue(held, attempts=1, errors=(ERROR,))
    store.write(settle=[raised], progress=[report(held)], now=NOW)
    assert [job.progress for job in enqueued(store)] == [PROGRESS]
    [again] = take(store, start(store))
    assert again.progress == PROGRESS
    store.write(settle=[fail(again)], now=NOW)
    assert [job.progress for job in listed(store, "failed")] == [PROGRESS]


def check_abandoned_jobs_have_their_progress(store: Store) -> None:
    """The process that releases a job of a dead owner reads it."""
    held = hold(store)
    store.write(progress=[report(held)], now=NOW)
    [left] = store.abandoned(now=NOW + LEASE)
    assert left.progress == PROGRESS


def check_a_report_does_not_ask_for_the_lease(store: Store) -> None:
    """An owner may report after its lease has ended, if no one has taken the job."""
    held = hold(store)
    assert not store.write(progress=[report(held)], now=NOW + 2 * LEASE).lost
    assert _progress_of(store, held) == PROGRESS


def check_a_report_leaves_other_jobs(store: Store) -> None:
    """Jobs of the same worker and of the same owner are not changed."""
    put(store, ask(), ask())
    first, second = take(store, start(store))
    waiting = put_one(store)
    store.write(progress=[report(first)], now=NOW)
    assert _progress_of(store, waiting) is _progress_of(store, second) is None
