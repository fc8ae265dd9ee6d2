"""`change`, `delete`, paused queues, diagnosis and unreadable rows."""

from datetime import timedelta
from uuid import UUID

from attrs import evolve

from bgjobs._core.ids import new_id
from bgjobs._core.settlements import Settlement
from bgjobs.stores.operations import OperatedStore
from bgjobs.stores.types import SCHEMA_VERSION, Counts
from bgjobs.testing.contract.steps import (
    DAY,
    ENDS,
    NO,
    NOW,
    OCCURRENCE,
    SECOND,
    TICK,
    ask,
    at_once,
    end,
    enqueued,
    fail,
    hold,
    ids,
    listed,
    lose,
    put,
    put_one,
    requeue,
    search,
    start,
    succeed,
    take,
)


def check_a_waiting_job_is_changed(store: OperatedStore) -> None:
    """The due time, the priority or both change; other fields do not."""
    job = put_one(store, unique_key="k")
    change = store.operations.change
    assert change([job.id], available_at=NOW + DAY, now=NOW) == [job.id]
    assert store.find(job.id) == evolve(job, available_at=NOW + DAY)
    assert change([job.id, job.id], available_in=SECOND, priority=-3, now=NOW) == [job.id]
    assert store.find(job.id) == evolve(job, available_at=NOW + SECOND, priority=-3)
    assert change([job.id], priority=32767, now=NOW) == [job.id]
    assert store.find(job.id) == evolve(job, available_at=NOW + SECOND, priority=32767)


def check_a_changed_job_is_reserved_in_its_new_place(store: OperatedStore) -> None:
    """The new priority and the new due time count."""
    first, second, third = put(store, ask(), ask(), ask())
    store.operations.change([third.id], priority=-1, now=NOW)
    store.operations.change([first.id], available_in=SECOND, now=NOW)
    owner = start(store)
    assert ids(take(store, owner)) == [third.id, second.id]
    assert store.next_due(["mail"], now=NOW) == SECOND
    assert ids(take(store, owner, now=NOW + SECOND)) == [first.id]


def check_only_waiting_jobs_of_no_schedule_are_changed(store: OperatedStore) -> None:
    """Running, ended and unknown jobs and occurrences are not."""
    failed, running = lose(store), hold(store)
    planned = put_one(store, occurrence=OCCURRENCE)
    wanted = [running.id, failed.id, planned.id, new_id()]
    assert store.operations.change(wanted, available_in=DAY, priority=1, now=NOW) == []
    assert store.operations.change([], priority=1, now=NOW) == []
    assert (store.find(running.id), store.find(planned.id)) == (running, planned)
    assert not store.write(settle=[requeue(running)], now=NOW).lost


def check_a_queue_is_paused_until_it_is_resumed(store: OperatedStore) -> None:
    """`commands` names paused queues for any owners; `reserve` still works."""
    admin, owner = store.operations, start(store)
    assert admin.commands([]).paused == frozenset()
    assert admin.pause_queue("mail", now=NOW)
    assert not admin.pause_queue("mail", now=NOW + SECOND)
    assert admin.pause_queue('qüeue "2"')
    assert admin.commands([]).paused == {"mail", 'qüeue "2"'}
    assert admin.commands([owner]).paused == {"mail", 'qüeue "2"'}
    assert admin.resume_queue('qüeue "2"')
    assert not admin.resume_queue('qüeue "2"')
    assert admin.commands([owner]).paused == {"mail"}
    assert put_one(store).id == take(store, owner)[0].id


def check_a_migrated_store_has_nothing_pending(store: OperatedStore) -> None:
    """The schema has the version of this bgjobs, and `diagnose` finds no problem."""
    assert store.operations.schema_version() == SCHEMA_VERSION
    assert store.operations.pending_migrations() == []
    found = store.operations.diagnose()
    assert found
    assert [one for one in found if one.level == "problem"] == []


def check_a_long_delay_is_kept_to_the_microsecond(store: OperatedStore) -> None:
    """The delay here is a century less a microsecond."""
    job = put_one(store)
    delay = timedelta(days=36_500) - TICK
    store.operations.change([job.id], available_in=delay, now=NOW)
    found = store.find(job.id)
    assert found is not None
    assert found.available_at == NOW + delay


def check_delete_removes_what_waits_or_has_ended(store: OperatedStore) -> None:
    """Each id is returned once, and the counts are 0 afterwards."""
    ended = [end(store, settle) for settle in ENDS.values()]
    waiting = put_one(store)
    delayed = put_one(store, available_in=timedelta(hours=1))
    wanted = ids([waiting, delayed, *ended])
    deleted = store.operations.delete([*wanted, *wanted, new_id()])
    assert sorted(deleted) == sorted(wanted)
    assert [store.find(one) for one in wanted] == [None] * 5
    assert store.count(now=NOW) == Counts(0, 0, 0, 0, 0, 0)
    assert list(store.operations.delete(wanted)) == []
    assert list(store.operations.delete([])) == []


def check_delete_leaves_running_jobs_alone(store: OperatedStore) -> None:
    """The commands about them are kept, and they can be settled."""
    held = hold(store)
    store.operations.cancel([held.id], NO, now=NOW)
    assert list(store.operations.delete([held.id])) == []
    assert store.find(held.id) == held
    assert held.reserved_by is not None
    assert store.operations.commands([held.reserved_by]).cancelled == {held.id: NO}
    assert not store.write(settle=[succeed(held)], now=NOW).lost


def check_delete_frees_the_unique_key(store: OperatedStore) -> None:
    """Another job may have the key at once."""
    waiting = put_one(store, unique_key="k")
    assert store.operations.delete([waiting.id]) == [waiting.id]
    assert put_one(store, unique_key="k").id != waiting.id


def check_an_occurrence_that_waits_is_deleted_too(store: OperatedStore) -> None:
    """Its schedule can store the next occurrence."""
    waiting = put_one(store, unique_key="schedule:nightly", occurrence=OCCURRENCE)
    assert store.operations.delete([waiting.id]) == [waiting.id]
    anew = put_one(store, unique_key="schedule:nightly", occurrence=OCCURRENCE)
    assert ids(enqueued(store)) == [anew.id]


def check_a_deleted_failure_is_not_found_any_more(store: OperatedStore) -> None:
    """The search does not find its words either; other jobs are found."""
    put(store, ask(), ask())
    one, other = take(store, start(store))
    store.write(settle=[fail(one, "lost mail"), fail(other, "lost mail")], now=NOW)
    store.operations.delete([one.id])
    assert search(store, "lost") == [other.id]
    assert list(store.operations.retry([one.id], now=NOW)) == []


def check_what_was_asked_is_forgotten_with_a_deleted_job(store: OperatedStore) -> None:
    """A job that is restored with the same id is not cancelled."""
    held = hold(store)
    store.operations.cancel([held.id], NO, now=NOW)
    store.write(settle=[fail(held)], now=NOW)
    [failed] = listed(store, "failed")
    assert store.operations.delete([held.id]) == [held.id]
    store.operations.restore([failed])
    store.operations.retry([held.id], now=NOW)
    owner = start(store)
    [again] = take(store, owner)
    assert again.id == held.id
    assert store.operations.commands([owner]).cancelled == {}


def check_a_job_is_deleted_or_runs_and_never_both(store: OperatedStore) -> None:
    """Threads delete, reserve, put back and settle at once."""
    jobs = ids(put(store, *(ask() for _ in range(60))))

    def delete() -> list[UUID]:
        return [one for job in jobs for one in store.operations.delete([job])]

    def run() -> list[UUID]:
        owner = start(store)
        while held := take(store, owner, limit=5) or enqueued(store):
            mine = [job for job in held if job.reserved_by == owner]
            ends: list[Settlement] = [requeue(job) for job in mine[:1] if job.reservations < 3]
            back = [one.reservation for one in ends]
            ends += [fail(job) for job in mine if job.reservation not in back]
            assert not store.write(settle=ends, now=NOW).lost
        return []

    deleted = [
        one for part in at_once(lambda number: (run, delete)[number % 2]()) for one in part
    ]
    assert len(deleted) == len(set(deleted))
    kept = ids(listed(store, "failed"))
    assert sorted([*deleted, *kept]) == sorted(jobs)


def check_what_a_store_has_written_can_be_read(store: OperatedStore) -> None:
    """No row is set apart, found, counted or put back as unreadable."""
    job = put_one(store)
    assert listed(store, "waiting").unreadable == ()
    operations = store.operations
    assert operations.set_apart([], now=NOW) == []
    assert listed(store, "unreadable") == []
    assert operations.find_unreadable(job.id) is None
    assert operations.count_unreadable() == 0
    assert list(operations.put_back([job.id, new_id()], now=NOW)) == []
    assert store.find(job.id) == job


def check_a_constraint_that_is_valid_is_not_validated_again(store: OperatedStore) -> None:
    """After all constraints were validated, none is listed."""
    operations = store.operations
    for constraint in operations.unvalidated():
        assert operations.validate(constraint, now=NOW) == 0
    assert list(operations.unvalidated()) == []
    assert operations.validate("unknown", now=NOW) == 0
