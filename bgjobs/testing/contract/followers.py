"""Jobs that follow a settlement: stored together with it, or not at all."""

from contextlib import suppress
from datetime import datetime, timedelta

from attrs import evolve

from bgjobs._core.ids import new_id
from bgjobs._core.requests import JobRequest
from bgjobs.stores.port import Store
from bgjobs.stores.types import NewJob
from bgjobs.testing.contract.steps import (
    DAY,
    ENDS,
    NOW,
    OCCURRENCE,
    SECOND,
    ask,
    drop,
    enqueued,
    fail,
    follow,
    hold,
    ids,
    put_one,
    requeue,
    start,
    succeed,
    take,
)


def check_a_follower_is_stored_with_its_settlement(store: Store) -> None:
    """It may follow any kind of settlement."""
    for settle in (*ENDS.values(), requeue, drop):
        held = hold(store, priority=-1)
        new = follow(held, name="next")
        written = store.write([new], [settle(held)], now=NOW)
        assert list(written.lost) == []
        assert list(written.jobs) == [store.find(new.id)]
        store.write(settle=[drop(job) for job in take(store, start(store))], now=NOW)
    assert len(enqueued(store, "next")) == 5


def check_a_follower_takes_the_key_of_the_job_that_ends(store: Store) -> None:
    """At any time exactly one live job has the key."""
    held = hold(store, unique_key="k", occurrence=OCCURRENCE)
    for settle in (*ENDS.values(), drop):
        new = follow(held, unique_key="k", occurrence=evolve(OCCURRENCE, previous=NOW))
        [job] = store.write([new], [settle(held)], now=NOW).jobs
        assert store.find_unique("mail", "k") == job
        assert job.id == new.id
        [held] = take(store, start(store))


def check_a_follower_of_a_lost_settlement_is_not_stored(store: Store) -> None:
    """It is returned as requested; the rest of the write is stored."""
    mine, theirs = hold(store), hold(store)
    store.write(settle=[fail(theirs)], now=NOW)
    holder = put_one(store, unique_key="held")
    options = {"unique_key": "k", "priority": 3, "available_in": DAY, "occurrence": OCCURRENCE}
    new = [
        follow(theirs, **options),
        follow(mine),
        NewJob(new_id(), ask(unique_key="held")),
        follow(theirs, unique_key="held"),
    ]
    written = store.write(new, [succeed(theirs), succeed(mine)], now=NOW)
    assert list(written.lost) == [theirs.reservation]
    asked, stored, standing, other = written.jobs
    assert (asked.id, stored.id, other.id) == (new[0].id, new[1].id, new[3].id)
    assert standing == holder
    assert sorted(ids(enqueued(store))) == sorted([stored.id, holder.id])
    assert (asked.unique_key, asked.priority, asked.occurrence) == ("k", 3, OCCURRENCE)
    assert (asked.created_at, asked.available_at) == (NOW, NOW + DAY)


def check_a_lost_follower_has_the_instant_it_asked_for(store: Store) -> None:
    """Without `now`, its timestamps come from the clock of the store."""
    held = hold(store)
    store.write(settle=[drop(held)], now=NOW)
    new = [follow(held, available_at=NOW - DAY), follow(held)]
    dated, undated = store.write(new, [drop(held)]).jobs
    assert dated.available_at == NOW - DAY
    assert undated.available_at == undated.created_at == dated.created_at
    assert undated.created_at.utcoffset() == NOW.utcoffset()
    assert enqueued(store) == []


def check_a_follower_of_no_settlement_is_not_stored(store: Store) -> None:
    """A settlement of another write or another reservation does not count."""
    held = hold(store)
    store.write([follow(held)], now=NOW)
    store.write(settle=[requeue(held)], now=NOW)
    store.write([follow(held)], now=NOW)
    [again] = take(store, start(store))
    store.write([follow(held)], [succeed(again)], now=NOW)
    assert enqueued(store) == []


def check_a_settlement_said_twice_still_has_its_follower(store: Store) -> None:
    """Only the second one of two equal settlements is lost."""
    held = hold(store)
    new = follow(held)
    written = store.write([new], [succeed(held), succeed(held)], now=NOW)
    assert list(written.lost) == [held.reservation]
    assert ids(enqueued(store)) == [new.id]


def check_a_repeated_write_does_not_double_a_follower(store: Store) -> None:
    """A write may be repeated after its answer was lost."""
    for settle in (*ENDS.values(), requeue, drop):
        held = hold(store, priority=-1)
        new = follow(held, name="next")
        store.write([new], [settle(held)], now=NOW)
        again = store.write([new], [settle(held)], now=NOW + SECOND)
        assert list(again.lost) == [held.reservation]
        assert ids(again.jobs) == [new.id]
        store.write(settle=[drop(job) for job in take(store, start(store))], now=NOW)
    assert len(enqueued(store, "next")) == 5


def check_a_repeated_write_does_not_revive_a_follower(store: Store) -> None:
    """A follower that was dropped before the write was repeated is not stored again."""
    held = hold(store)
    new = follow(held)
    store.write([new], [succeed(held)], now=NOW)
    [following] = take(store, start(store))
    store.write(settle=[drop(following)], now=NOW)
    store.write([new], [succeed(held)], now=NOW + SECOND)
    assert store.find(new.id) is None
    assert store.count(now=NOW).waiting == 0


def check_a_follower_gives_way_to_the_holder_of_its_key(store: Store) -> None:
    """The write returns the holder of the key, as for any new job."""
    holder = put_one(store, unique_key="k", available_in=DAY)
    held = hold(store)
    written = store.write([follow(held, unique_key="k")], [succeed(held)], now=NOW)
    assert list(written.jobs) == [holder]
    assert list(written.lost) == []


def check_a_follower_is_planned_by_the_time_of_its_write(store: Store) -> None:
    """`plan` gets the time of the write, not of the request."""
    for settle in (*ENDS.values(), drop):
        held = hold(store, priority=-1)
        new = evolve(follow(held, name="next", unique_key="k"), plan=a_day_later)
        [job] = store.write([new], [settle(held)], now=NOW + SECOND).jobs
        assert (job.created_at, job.available_at) == (NOW + SECOND, NOW + SECOND + DAY)
        assert store.find(new.id) == job
        assert store.replace(job, None, now=NOW)


def check_a_follower_is_planned_by_the_clock_of_the_store(store: Store) -> None:
    """Without `now`, `plan` gets the time of the write by the clock of the store."""
    held = hold(store)
    new = evolve(follow(held, name="next", unique_key="k"), plan=a_day_later)
    [job] = store.write([new], [succeed(held)]).jobs
    assert timedelta(0) <= job.created_at - (job.available_at - DAY) < timedelta(minutes=1)


def check_a_follower_of_a_lost_settlement_is_not_planned(store: Store) -> None:
    """`plan` is not called again, as its result would be discarded."""
    held, asked = hold(store), list[datetime]()

    def plan(now: datetime) -> JobRequest:
        asked.append(now)
        return ask("next")

    new = evolve(follow(held, name="next"), plan=plan)
    store.write([new], [succeed(held)], now=NOW)
    store.write([new], [succeed(held)], now=NOW + SECOND)
    assert store.complete(held.reservation, lambda _: None, [new], now=NOW + DAY) is False
    assert asked == [NOW]


def check_the_follower_of_a_completion_is_planned_by_its_time(store: Store) -> None:
    """`plan` gets the time of the completion."""
    held = hold(store)
    new = evolve(follow(held, name="next", unique_key="k"), plan=a_day_later)
    assert store.complete(held.reservation, lambda _: None, [new], now=NOW + SECOND)
    [job] = enqueued(store, "next")
    assert (job.id, job.available_at) == (new.id, NOW + SECOND + DAY)


def check_a_plan_that_fails_takes_the_write_back(store: Store) -> None:
    """If `plan` raises, nothing is stored and the job stays reserved."""
    held = hold(store)

    def plan(now: datetime) -> JobRequest:
        raise ArithmeticError(now)

    with suppress(ArithmeticError):
        store.write([evolve(follow(held), plan=plan)], [succeed(held)], now=NOW)
    assert store.find(held.id) == held


def a_day_later(now: datetime) -> JobRequest:
    """Plan a job for the next day."""
    return ask("next", available_at=now + DAY, unique_key="k")
