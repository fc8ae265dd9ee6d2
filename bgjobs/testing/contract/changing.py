"""`change`, queues that are paused, and what operators look at."""
# ruff: noqa: D401 - the docstring of a check goes on where its name ends

from datetime import timedelta
from uuid import UUID

from attrs import evolve

from bgjobs._core.ids import new_id
from bgjobs.stores.operations import OperatedStore
from bgjobs.stores.pages import Page
from bgjobs.stores.types import SCHEMA_VERSION, Owner
from bgjobs.testing.contract.steps import (
    DAY,
    LEASE,
    NOW,
    OCCURRENCE,
    SECOND,
    TICK,
    ask,
    hold,
    ids,
    lose,
    put,
    put_one,
    requeue,
    start,
    succeed,
    take,
)


def check_a_waiting_job_is_changed(store: OperatedStore) -> None:
    """Its time, its priority or both; nothing else of it."""
    job = put_one(store, unique_key="k")
    change = store.operations.change
    assert change([job.id], available_at=NOW + DAY, now=NOW) == [job.id]
    assert store.find(job.id) == evolve(job, available_at=NOW + DAY)
    assert change([job.id, job.id], available_in=SECOND, priority=-3, now=NOW) == [job.id]
    assert store.find(job.id) == evolve(job, available_at=NOW + SECOND, priority=-3)
    assert change([job.id], priority=32767, now=NOW) == [job.id]
    assert store.find(job.id) == evolve(job, available_at=NOW + SECOND, priority=32767)


def check_a_changed_job_is_reserved_in_its_new_place(store: OperatedStore) -> None:
    """By its new priority, and not before its new time."""
    first, second, third = put(store, ask(), ask(), ask())
    store.operations.change([third.id], priority=-1, now=NOW)
    store.operations.change([first.id], available_in=SECOND, now=NOW)
    owner = start(store)
    assert ids(take(store, owner)) == [third.id, second.id]
    assert store.next_due(["mail"], now=NOW) == SECOND
    assert ids(take(store, owner, now=NOW + SECOND)) == [first.id]


def check_only_waiting_jobs_of_no_schedule_are_changed(store: OperatedStore) -> None:
    """Not what runs, has ended, never was or is an occurrence."""
    failed, running = lose(store), hold(store)
    planned = put_one(store, occurrence=OCCURRENCE)
    wanted = [running.id, failed.id, planned.id, new_id()]
    assert store.operations.change(wanted, available_in=DAY, priority=1, now=NOW) == []
    assert store.operations.change([], priority=1, now=NOW) == []
    assert (store.find(running.id), store.find(planned.id)) == (running, planned)
    assert not store.write(settle=[requeue(running)], now=NOW).lost


def check_a_queue_is_paused_until_it_is_resumed(store: OperatedStore) -> None:
    """Whoever asks or beats hears of it; the store reserves all the same."""
    admin, owner = store.operations, start(store)
    assert admin.commands([]).paused == frozenset()
    assert admin.pause_queue("mail", now=NOW)
    assert not admin.pause_queue("mail", now=NOW + SECOND)
    assert admin.pause_queue('qüeue "2"')
    assert admin.commands([]).paused == {"mail", 'qüeue "2"'}
    assert store.heartbeat([owner], LEASE, now=NOW).commands.paused == {"mail", 'qüeue "2"'}
    assert admin.resume_queue('qüeue "2"')
    assert not admin.resume_queue('qüeue "2"')
    assert admin.commands([owner]).paused == {"mail"}
    assert put_one(store).id == take(store, owner)[0].id


def check_live_owners_are_listed(store: OperatedStore) -> None:
    """By name, with what is left of their lease and how many jobs they hold."""
    later = Owner(new_id(), "b", "node-2")
    first = Owner(new_id(), "a", "node-1")
    for one, lease in ((later, LEASE), (first, 2 * LEASE)):
        store.open_owner(one, lease, now=NOW)
    put(store, ask(), ask())
    take(store, later.id)
    found = store.operations.get_owners(now=NOW + SECOND)
    assert [(one.id, one.name, one.node) for one in found] == [
        (first.id, "a", "node-1"),
        (later.id, "b", "node-2"),
    ]
    assert [one.running for one in found] == [0, 2]
    assert [one.lease_left for one in found] == [2 * LEASE - SECOND, LEASE - SECOND]
    assert [one.opened_at for one in found] == [NOW, NOW]
    assert len(store.operations.get_owners(now=NOW + LEASE - TICK)) == 2
    assert ids(store.operations.get_owners(now=NOW + LEASE)) == [first.id]
    store.close_owners([first.id], now=NOW)
    assert ids(store.operations.get_owners(now=NOW)) == [later.id]


def check_waiting_jobs_are_listed_as_due_or_delayed(store: OperatedStore) -> None:
    """The oldest first, page by page, of one worker or of all."""
    due = put(store, ask(), ask(available_in=SECOND), ask("purge"))
    delayed = put(store, ask(available_in=DAY), ask("purge", available_in=DAY))
    hold_until = NOW + SECOND
    get = store.operations.get_waiting
    assert ids(get(delayed=False, now=hold_until)) == ids(due)
    assert ids(get(delayed=True, now=hold_until)) == ids(delayed)
    assert ids(get("purge", delayed=False, now=hold_until)) == [due[2].id]
    assert ids(get("purge", delayed=True, now=hold_until)) == [delayed[1].id]
    assert ids(get(delayed=True, now=hold_until - TICK)) == [due[1].id, *ids(delayed)]
    page = Page(1, after=due[0].id)
    assert ids(get(delayed=False, page=page, now=hold_until)) == [due[1].id]
    take(store, start(store))
    assert ids(get("mail", delayed=False, now=hold_until)) == [due[1].id]


def check_running_jobs_of_a_worker_are_listed(store: OperatedStore) -> None:
    """The oldest first, whoever holds them."""
    jobs = put(store, ask(), ask("purge"), ask())
    take(store, start(store), limit=1)
    take(store, start(store), ["mail", "purge"])
    get = store.operations.get_named_running
    assert ids(get()) == ids(jobs)
    assert ids(get("mail")) == [jobs[0].id, jobs[2].id]
    assert ids(get("mail", Page(5, after=jobs[0].id))) == [jobs[2].id]
    assert get("other") == []


def check_a_migrated_store_has_nothing_pending(store: OperatedStore) -> None:
    """And the version that this bgjobs knows; nothing is a problem."""
    assert store.operations.schema_version() == SCHEMA_VERSION
    assert store.operations.pending_migrations() == []
    found = store.operations.diagnose()
    assert found
    assert [one for one in found if one.level == "problem"] == []


def check_a_long_delay_is_kept_to_the_microsecond(store: OperatedStore) -> None:
    """Of a century less one."""
    job = put_one(store)
    delay = timedelta(days=36_500) - TICK
    store.operations.change([job.id], available_in=delay, now=NOW)
    found = store.find(job.id)
    assert found is not None
    assert found.available_at == NOW + delay


def check_the_names_of_waiting_jobs_are_told_once(store: OperatedStore) -> None:
    """Of due and delayed ones, and not of those that run or have ended."""
    names = store.operations.get_waiting_names
    assert list(names(10)) == []
    hold(store)
    lose(store, "ValueError: gone")
    put(store, ask("b"), ask("a", available_in=DAY), ask("b", priority=-3), ask("B"), ask("é"))
    assert sorted(names(10)) == sorted(["a", "b", "B", "é"])
    assert sorted(names(4)) == sorted(["a", "b", "B", "é"])
    assert len(set(names(3))) == 3
    assert list(names(0)) == []


def check_ids_are_found_between_two(store: OperatedStore) -> None:
    """Both included, of live and ended jobs, the lowest first, up to a limit."""
    failed, done, running = lose(store, "ValueError: gone"), hold(store), hold(store)
    store.write(settle=[succeed(done)], now=NOW)
    waiting = put_one(store)
    find, every = store.operations.find_ids, sorted(ids([waiting, running, failed, done]))
    assert list(find(every[0], every[-1], 10)) == every
    assert list(find(every[0], every[-1], 2)) == every[:2]
    assert list(find(every[1], every[2], 10)) == every[1:3]
    assert list(find(every[1], every[1], 10)) == [every[1]]
    assert list(find(every[-1], every[0], 10)) == []
    assert list(find(new_id(), UUID(int=2**128 - 1), 10)) == []
