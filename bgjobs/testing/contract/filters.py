"""The properties of a `JobFilter`, alone and together, in each state that has them."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from functools import partial
from itertools import combinations
from typing import Any
from uuid import UUID

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job, State
from bgjobs._core.settlements import Settlement
from bgjobs.stores.pages import Page
from bgjobs.stores.port import Store
from bgjobs.testing.contract.steps import (
    DAY,
    NOW,
    SECOND,
    TICK,
    ask,
    cancel,
    fail,
    ids,
    listed,
    put,
    requeue,
    start,
    succeed,
    take,
    walk,
)

_NAMES = ("mail", "purge")
_TIMES = (NOW - TICK, NOW, NOW + SECOND - TICK, NOW + SECOND)
_LABELS = ((("k", "v"), ("other", "x")), (("k", "w"), ("v", "v")))
_QUEUES = ("night", "night", "day")
_MANY = 10_001
"""More rows than a listing reads for one page."""


def _fill(store: Store, state: State) -> Mapping[UUID, str]:
    """Store jobs with all combinations of properties; return the queues by owner."""
    queues: dict[UUID, str] = {}
    for place, queue in enumerate(_QUEUES):
        owner = start(store, queue=queue)
        due = NOW + DAY if state == "delayed" else NOW - DAY
        for now in _TIMES:
            requests = (
                ask(name, metadata=labels, available_at=due)
                for name in _NAMES
                for labels in _LABELS
            )
            put(store, *requests, now=now)
        if state not in ("waiting", "delayed"):
            queues[owner] = queue
            _end(store, state, owner, NOW + 2 * place * SECOND)
    return queues


def _end(store: Store, state: State, owner: UUID, now: datetime) -> None:
    """Reserve all jobs; settle two thirds of them, and the others a second later."""
    held = take(store, owner, _NAMES, now=NOW + SECOND)
    for late, error in enumerate(("NoError: gone away", "NoError: lost, not gone")):
        some = [job for place, job in enumerate(held) if (place % 3 == 0) == bool(late)]
        ends: dict[State, Callable[[Job], Settlement]] = {
            "succeeded": succeed,
            "failed": partial(fail, error=error),
            "cancelled": cancel,
        }
        if state in ends:
            settle = ends[state]
            store.write(settle=[settle(job) for job in some], now=now + late * SECOND)


_WANTED: dict[str, Any] = {
    "name": "mail",
    "metadata": {"k": "v"},
    "before": NOW + SECOND,
    "after": NOW,
}
_HAVE: dict[str, Callable[[Any], bool]] = {
    "name": lambda job: job.name == "mail",
    "metadata": lambda job: job.metadata["k"] == "v",
    "before": lambda job: job.created_at < NOW + SECOND,
    "after": lambda job: job.created_at >= NOW,
    "search": lambda job: "away" in job.error,
}


def _subsets(names: list[str]) -> Iterator[tuple[str, ...]]:
    for size in range(len(names) + 1):
        yield from combinations(names, size)


def _check(store: Store, state: State) -> None:
    queues = _fill(store, state)
    wanted, have = dict(_WANTED), dict(_HAVE)
    if queues:
        [owner, other, _] = queues
        wanted |= {"queue": "night", "owner": owner}
        have["queue"] = lambda job: queues[job.reserved_by] == "night"
        have["owner"] = lambda job: job.reserved_by == owner
        store.close_owners([other], now=NOW)
    everything = listed(store, state, Page(1000))
    assert len(everything) == len(_QUEUES) * len(_TIMES) * len(_NAMES) * len(_LABELS)
    for names in _subsets([*wanted]):
        expected = [job.id for job in everything if all(have[name](job) for name in names)]
        found = walk(store, state, 20, **{name: wanted[name] for name in names})
        assert ids(found) == expected, (state, names)


def check_waiting_jobs_are_filtered(store: Store) -> None:
    """By name, metadata and the time of creation: from `after` on, and before `before`."""
    _check(store, "waiting")


def check_delayed_jobs_are_filtered(store: Store) -> None:
    """By the same properties as waiting ones."""
    _check(store, "delayed")


def check_running_jobs_are_filtered(store: Store) -> None:
    """By the queue and its start, too; the names of closed owners are known."""
    _check(store, "running")


def check_succeeded_jobs_are_filtered(store: Store) -> None:
    """By the queue and its start that reserved them last, too."""
    _check(store, "succeeded")


def check_failed_jobs_are_filtered(store: Store) -> None:
    """By the same properties as succeeded ones."""
    _check(store, "failed")


def check_cancelled_jobs_are_filtered(store: Store) -> None:
    """By the same properties as succeeded ones."""
    _check(store, "cancelled")


def check_searches_are_filtered(store: Store) -> None:
    """By all properties; the order is that of the failures, the latest first."""
    queues = _fill(store, "failed")
    owner = next(iter(queues))
    wanted = _WANTED | {"queue": "night", "owner": owner}
    reserved: dict[str, Callable[[Any], bool]] = {
        "queue": lambda job: queues[job.reserved_by] == "night",
        "owner": lambda job: job.reserved_by == owner,
    }
    have = _HAVE | reserved
    everything = listed(store, "failed", Page(1000), search="NoError")
    assert len(everything) == len(_QUEUES) * len(_TIMES) * len(_NAMES) * len(_LABELS)
    times = [job.failed_at for job in everything]
    assert times == sorted(times, reverse=True)
    for names in _subsets([*wanted]):
        properties = {name: wanted[name] for name in names}
        some = [job.id for job in everything if all(have[name](job) for name in names)]
        assert ids(walk(store, "failed", 20, search="noerror", **properties)) == some, names
        found = walk(store, "failed", 5, search="gone AWAY", **properties)
        away = {job.id for job in everything if job.id in some and have["search"](job)}
        assert {*ids(found)} == away, names
        assert len(found) == len(away)


def check_a_filter_with_an_unknown_value_selects_nothing(store: Store) -> None:
    """Values must match exactly, and all metadata of the filter must be present."""
    put(store, ask(metadata=(("k", "v"),)))
    take(store, start(store, queue="night"))
    selects_nothing: tuple[dict[str, Any], ...] = (
        {"name": "Mail"},
        {"queue": "Night"},
        {"queue": "nigh"},
        {"owner": new_id()},
        {"metadata": {"k": "V"}},
        {"metadata": {"v": "k"}},
        {"metadata": {"k": "v", "l": "v"}},
        {"before": NOW},
        {"after": NOW + TICK},
        {"before": NOW + TICK, "after": NOW + TICK},
    )
    for properties in selects_nothing:
        found = listed(store, "running", **properties)
        assert (found, found.after) == ([], None), properties
    assert len(listed(store, "running", queue="night", metadata={"k": "v"})) == 1


def check_a_job_that_was_put_back_is_of_no_queue(store: Store) -> None:
    """The next queue that reserves the job is its queue."""
    put(store, ask())
    for queue in ("night", "day"):
        [held] = take(store, start(store, queue=queue))
        assert ids(listed(store, "running", queue=queue)) == [held.id]
        store.write(settle=[fail(held) if queue == "day" else requeue(held)], now=NOW)
    assert listed(store, "running", queue="day") == []
    assert listed(store, "failed", queue="night") == []
    assert ids(listed(store, "failed", queue="day")) == [held.id]


def check_a_filter_takes_times_of_any_time_zone(store: Store) -> None:
    """The instant counts."""
    there = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    [job] = put(store, ask())
    assert listed(store, "waiting", after=there, before=there + TICK) == [job]
    assert listed(store, "waiting", before=there) == []


def check_jobs_are_found_behind_many_others(store: Store) -> None:
    """A page may be shorter than its limit, or empty, although jobs follow."""
    wanted = ask(metadata=(("k", "v"),), available_at=NOW - DAY)
    [first] = put(store, wanted, now=NOW + DAY)
    put(store, *[ask(available_at=NOW - DAY)] * _MANY)
    [last] = put(store, wanted, now=NOW + DAY)
    both = ids([first, last])

    def assert_found(state: State, **search: str) -> None:
        for properties in ({"after": NOW + DAY}, {"metadata": {"k": "v"}}):
            found = walk(store, state, 5, **properties, **search)
            assert sorted(ids(found)) == both, (state, properties)

    assert_found("waiting")
    held = take(store, start(store), limit=2 * _MANY)
    assert_found("running")
    store.write(settle=[fail(job) for job in held], now=NOW)
    assert_found("failed")
    assert_found("failed", search="gone")
