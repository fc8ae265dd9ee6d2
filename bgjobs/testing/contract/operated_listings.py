"""The listings of `Operations`, and searches for what operators change."""

from itertools import combinations
from typing import Any, get_args
from uuid import UUID

from attrs import evolve

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import FailedJob, State
from bgjobs.stores.filters import JobFilter
from bgjobs.stores.operations import OperatedStore
from bgjobs.stores.pages import Page
from bgjobs.stores.types import Owner
from bgjobs.testing.contract.steps import (
    DAY,
    ENDS,
    LEASE,
    NOW,
    OCCURRENCE,
    SECOND,
    TICK,
    ask,
    at_once,
    end,
    fail,
    hold,
    ids,
    listed,
    lose,
    put,
    put_one,
    search,
    start,
    succeed,
    take,
)


def check_ids_are_listed_as_jobs_are(store: OperatedStore) -> None:
    """Of each filter without metadata, in the same order and pages."""
    for settle in ENDS.values():
        for place, name in enumerate(["mail", "purge", "mail", "mail"]):
            end(store, settle, NOW + place * SECOND, name=name)
    put(store, *(ask(available_in=place % 2 * DAY) for place in range(6)))
    for name in ("mail", "purge", "mail"):
        owner = start(store)
        put(store, ask(name))
        take(store, owner, [name], limit=2)
    shared: dict[str, Any] = {"name": "mail", "before": NOW + 2 * SECOND, "after": NOW}
    reserved: dict[str, Any] = {"queue": "default", "owner": owner}
    properties: dict[State, dict[str, Any]] = {
        "waiting": shared,
        "delayed": shared,
        "failed": shared | reserved | {"search": "gone"},
    }
    for state in get_args(State):
        if state == "unreadable":
            continue
        some = properties.get(state, shared | reserved)
        for size in range(4):
            for names in combinations(some, size):
                _assert_same(store, JobFilter(state, **{name: some[name] for name in names}))


def _assert_same(store: OperatedStore, wanted: JobFilter[State]) -> None:
    page = Page(2)
    while True:
        jobs = store.list(wanted, page, now=NOW)
        found = store.operations.list_ids(wanted, page, now=NOW)
        assert (found, found.after) == (ids(jobs), jobs.after)
        if found.after is None:
            break
        page = evolve(page, after=found.after)


def check_a_search_goes_on_behind_what_has_gone(store: OperatedStore) -> None:
    """The cursor stays valid after its job was retried."""
    first, second, third = lose(store), lose(store), lose(store)
    for name in (None, "mail"):
        found = listed(store, "failed", Page(1), search="gone", name=name)
        assert ids(found) == [third.id]
        following = Page(5).behind(found)
        store.operations.retry([third.id], now=NOW)
        assert search(store, "gone", following, name=name) == [second.id, first.id]
        [held] = take(store, start(store), ["mail"])
        store.write(settle=[fail(held, "ValueError: gone")], now=NOW + SECOND)
        assert search(store, "gone", following, name=name) == [second.id, first.id]


def check_what_has_gone_is_not_found(store: OperatedStore) -> None:
    """Pruned, retried and deleted jobs leave the search index; restored ones enter it."""
    old, new = lose(store, "E: word", now=NOW - DAY), lose(store, "E: word")
    assert search(store, "word") == [new.id, old.id]
    kept = store.find(old.id)
    assert isinstance(kept, FailedJob)
    assert store.prune("failed", SECOND, limit=9, now=NOW) == 1
    assert search(store, "word") == [new.id]
    store.operations.retry([new.id], now=NOW)
    assert search(store, "word") == []
    store.operations.restore([kept])
    assert search(store, "word") == [old.id]
    again = lose(store, "E: word", name="sms")
    assert store.prune("failed", SECOND, name="sms", limit=9, now=NOW + DAY) == 1
    assert store.find(again.id) is None
    assert search(store, "word") == [old.id]


def check_threads_that_fail_and_retry_keep_the_index(store: OperatedStore) -> None:
    """In the end the search finds each failed job once, by its own word."""

    def work(number: int) -> UUID:
        name = f"w{number}"
        job = lose(store, f"E: word{number}", name=name)
        for _ in range(3):
            store.operations.retry([job.id], now=NOW)
            held = take(store, start(store), [name])
            store.write(settle=[fail(one, f"E: word{number}") for one in held], now=NOW)
        return job.id

    for number, job_id in enumerate(at_once(work)):
        assert search(store, f"word{number}") == [job_id]


def check_live_owners_are_listed(store: OperatedStore) -> None:
    """They are ordered by name, with the rest of their lease and their number of jobs."""
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


def check_the_names_of_waiting_jobs_are_told_once(store: OperatedStore) -> None:
    """Due and delayed jobs count; running and ended ones do not."""
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
    """Both bounds are included; live and ended jobs are listed, the lowest id first."""
    ended = [end(store, settle) for settle in ENDS.values()]
    jobs = [hold(store), put_one(store), *ended]
    find, every = store.operations.find_ids, sorted(ids(jobs))
    assert list(find(every[0], every[-1], 10)) == every
    assert list(find(every[0], every[-1], 2)) == every[:2]
    assert list(find(every[1], every[2], 10)) == every[1:3]
    assert list(find(every[1], every[1], 10)) == [every[1]]
    assert list(find(every[-1], every[0], 10)) == []
    assert list(find(new_id(), UUID(int=2**128 - 1), 10)) == []


def check_live_occurrences_are_found_among_all_jobs(store: OperatedStore) -> None:
    """Waiting and running ones of any worker count; ended ones do not."""
    put(store, ask(), ask("sms"))
    put_one(store, unique_key="schedule:ended", occurrence=OCCURRENCE)
    [*_, ended] = take(store, start(store))
    assert ids(store.operations.get_occurrences()) == [ended.id]
    store.write(settle=[succeed(ended)], now=NOW)
    waiting = put_one(store, "sms", unique_key="schedule:nightly", occurrence=OCCURRENCE)
    found = store.operations.get_occurrences()
    assert list(found) == [waiting]
    assert found[0].occurrence == OCCURRENCE
    assert list(store.operations.get_occurrences(Page(0))) == []


def check_live_occurrences_have_the_key_of_a_schedule_and_come_in_pages(
    store: OperatedStore,
) -> None:
    """The oldest comes first; other jobs with an occurrence do not count."""
    for key in (None, "k", "Schedule:a", "xschedule:a"):
        put_one(store, unique_key=key, occurrence=OCCURRENCE)
    put_one(store, unique_key="schedule:d")
    wanted = [
        put_one(store, unique_key=f"schedule:{one}", occurrence=OCCURRENCE).id for one in "cab"
    ]
    found = store.operations.get_occurrences(Page(2))
    assert ids(found) == sorted(wanted)[:2]
    assert ids(store.operations.get_occurrences(Page(2).behind(found))) == sorted(wanted)[2:]
