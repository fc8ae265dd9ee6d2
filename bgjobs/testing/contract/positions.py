"""`reserve` and `next_due` after a position: what a store may overlook, and nothing else."""

from collections.abc import Sequence
from datetime import timedelta

from bgjobs._core.jobs import Job
from bgjobs.stores.port import Store
from bgjobs.stores.types import Position
from bgjobs.testing.contract.steps import DAY, NOW, SECOND, TICK, ask, put, start, take

PRIORITIES = (-2, 0, 3)


def after(job: Job) -> dict[str, Position]:
    """Return the position of a job, for its worker."""
    return {job.name: Position(job.available_at, job.id)}


def _put_before_and_after(store: Store, name: str = "mail") -> tuple[list[Job], list[Job]]:
    """Store due jobs of each priority, two at a time; return the earlier and the later ones."""
    earlier, later = (
        [
            *put(store, *[ask(name, priority=one) for one in PRIORITIES * 2], now=when),
            # These were delayed, which stores may look up in another way.
            *put(
                store,
                *[ask(name, priority=one, available_in=TICK) for one in PRIORITIES],
                now=when,
            ),
        ]
        for when in (NOW - DAY, NOW - SECOND)
    )
    return earlier, later


def _default(jobs: Sequence[Job]) -> list[Job]:
    found = [job for job in jobs if job.priority == 0]
    return sorted(found, key=lambda job: (job.available_at, job.id))


def _in_order(jobs: Sequence[Job]) -> bool:
    places = [(job.priority, job.available_at, job.id) for job in jobs]
    return places == sorted(places)


def check_reserving_after_a_position_overlooks_only_jobs_before_it(store: Store) -> None:
    """All others are reserved in their order, one by one and together, and none twice."""
    for limit in (1, 4, 100):
        earlier, later = _put_before_and_after(store)
        [*before, position] = _default(earlier)
        owner, found = start(store), list[Job]()
        while more := store.reserve(owner, ["mail"], limit, after=after(position), now=NOW):
            found += more
        ids = [job.id for job in found]
        overlooked = {job.id for job in [*earlier, *later]} - set(ids)
        assert overlooked <= {job.id for job in [*before, position]}
        assert _in_order(found)
        assert len(set(ids)) == len(ids)
        assert {job.id for job in take(store, owner)} == overlooked


def check_a_position_is_that_of_one_worker(store: Store) -> None:
    """Jobs of another worker that wait since before the position are reserved."""
    _, mails = _put_before_and_after(store)
    earlier, later = _put_before_and_after(store, "report")
    [*_, last] = _default(mails)
    names, reports = ["mail", "report"], {job.id for job in [*earlier, *later]}
    found = store.reserve(start(store), names, 100, after=after(last), now=NOW)
    assert reports <= {job.id for job in found}
    assert _in_order(found)


def check_a_position_of_an_unknown_worker_changes_nothing(store: Store) -> None:
    """Positions of workers that are not asked for are ignored."""
    [job] = put(store, ask())
    position = {"other": Position(NOW + DAY, job.id)}
    assert store.next_due(["mail"], after=position, now=NOW) == timedelta(0)
    found = store.reserve(start(store), ["mail"], 1, after=position, now=NOW)
    assert [one.id for one in found] == [job.id]


def check_the_next_due_after_a_position_overlooks_only_jobs_before_it(store: Store) -> None:
    """The time of a later job, or of one with another priority, is returned."""
    [first, _] = put(store, ask(), ask(available_in=SECOND))
    found = store.next_due(["mail"], after=after(first), now=NOW)
    assert found in {timedelta(0), SECOND}
    put(store, ask(priority=1), now=NOW - DAY)
    assert store.next_due(["mail"], after=after(first), now=NOW) == -DAY


def check_jobs_of_one_time_are_told_apart_by_their_ids(store: Store) -> None:
    """Of jobs that became available at the same time, those after the position are found."""
    jobs = _default(put(store, *[ask() for _ in range(6)]))
    found = store.reserve(start(store), ["mail"], 100, after=after(jobs[2]), now=NOW)
    assert [job.id for job in jobs[3:]] == [job.id for job in found][-3:]
