"""`end_with`: an end without success and the writes of the user in one transaction."""

from typing import Any

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job
from bgjobs.stores.hooked import do_nothing
from bgjobs.stores.port import Store
from bgjobs.stores.types import HookedEnd, NewJob
from bgjobs.testing.contract.completions import ADD, DROP, MAKE, effects, run
from bgjobs.testing.contract.steps import (
    ERROR,
    NOW,
    PROGRESS,
    SECOND,
    ask,
    cancel,
    enqueued,
    fail,
    follow,
    hold,
    ids,
    listed,
    report,
    requeue,
    start,
    succeed,
    take,
)


class _Seen:
    """Work that notes its arguments."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, Any]] = []

    def __call__(self, connection: Any, job: Any) -> None:
        self.calls.append((connection, job))


def _fails(connection: Any, job: Any) -> None:
    connection.execute(ADD)
    raise ValueError(job.name)


def check_work_gets_the_connection_and_the_ended_job(store: Store) -> None:
    """The job is as it is stored from then on, failed or cancelled."""
    for settle in (fail, cancel):
        held = hold(store, unique_key="k", metadata=(("trace", "ü"),))
        end = settle(held, attempts=2, errors=(ERROR,))
        seen = _Seen()
        done = store.end_with(end, seen, now=NOW + SECOND)
        assert done == HookedEnd(kept=True)
        [(connection, job)] = seen.calls
        assert callable(connection.execute)
        assert job == store.find(held.id)
        assert (job.attempts, job.errors, job.metadata) == (2, (ERROR,), {"trace": "ü"})
        assert job.state == ("failed" if settle is fail else "cancelled")
        assert (job.reserved_by, job.reservations) == (held.reserved_by, 1)
    assert [job.failed_at for job in listed(store, "failed")] == [NOW + SECOND]
    assert [job.cancelled_at for job in listed(store, "cancelled")] == [NOW + SECOND]
    assert listed(store, "running") == []


def check_end_with_writes_the_effects_of_work(store: Store) -> None:
    """The writes of `work` are committed when `end_with` returns."""
    run(store, DROP, MAKE)
    store.end_with(fail(hold(store)), lambda raw, _: raw.execute(ADD), now=NOW)
    assert effects(store) == 1
    run(store, DROP)


def check_what_work_raises_does_not_lose_the_end(store: Store) -> None:
    """The effects of `work` are gone, its error is returned, and all the rest is stored."""
    run(store, DROP, MAKE)
    held = hold(store)
    next_one = NewJob(new_id(), ask("other"), after=held.reservation)
    done = store.end_with(fail(held), _fails, [next_one], progress=report(held), now=NOW)
    assert done.kept
    assert isinstance(done.error, ValueError)
    assert str(done.error) == "mail"
    [failed] = listed(store, "failed")
    assert (failed.id, failed.progress) == (held.id, PROGRESS)
    assert ids(enqueued(store)) == [next_one.id]
    assert effects(store) == 0
    run(store, DROP)


def check_end_with_stores_what_follows(store: Store) -> None:
    """A new job may take the unique key of the job that ends, and `work` finds it stored."""
    held = hold(store, unique_key="k")
    following = [follow(held, unique_key="k"), NewJob(new_id(), ask("other"))]
    assert store.end_with(fail(held), do_nothing, following, now=NOW).kept
    assert sorted(ids(enqueued(store))) == sorted(new.id for new in following)
    assert store.find_unique("mail", "k") == store.find(following[0].id)


def check_a_lost_reservation_does_not_call_work(store: Store) -> None:
    """Nothing is stored, the next owner keeps the job, and `work` is not called."""
    held, ended = hold(store), hold(store, name="mail")
    store.write(settle=[requeue(held), succeed(ended)], now=NOW)
    [again] = take(store, start(store))
    seen = _Seen()
    for job in (held, ended):
        new = [follow(job), NewJob(new_id(), ask("other"))]
        done = store.end_with(fail(job), seen, new, progress=report(job), now=NOW)
        assert done == HookedEnd(kept=False)
    assert seen.calls == []
    assert enqueued(store) == []
    assert listed(store, "failed") == []
    found = store.find(held.id)
    assert isinstance(found, Job)
    assert (found.reservation, found.progress) == (again.reservation, None)


def check_end_with_leaves_other_jobs(store: Store) -> None:
    """Another job of the same owner stays reserved."""
    held = hold(store)
    assert held.reserved_by is not None
    store.write([NewJob(new_id(), ask())], now=NOW)
    [other] = take(store, held.reserved_by)
    assert store.end_with(cancel(held), do_nothing, now=NOW).kept
    assert ids(listed(store, "running")) == [other.id]
    assert ids(listed(store, "cancelled")) == [held.id]
