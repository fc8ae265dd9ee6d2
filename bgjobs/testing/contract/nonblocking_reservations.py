"""`NonBlockingReserver`: the same jobs as by `reserve`, with an answer for each call."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial, wraps
from typing import Any, cast
from uuid import UUID

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job
from bgjobs._core.limits import Cap
from bgjobs.errors import StoreUnavailableError
from bgjobs.stores.port import Store
from bgjobs.stores.types import FROM_THE_START, Owner, Position
from bgjobs.testing.contract.nonblocking_steps import (
    NonBlockingStore,
    answer,
    calls_of,
    connected_reserver,
    new_job,
    until_begun,
)
from bgjobs.testing.contract.steps import LEASE, NOW, ask, ids, listed, put, put_one, start


class _WithoutThread:
    """A store that reserves by its `NonBlockingReserver`, unless there are caps."""

    def __init__(self, store: NonBlockingStore) -> None:
        self._store = store
        self._reserver = connected_reserver(store)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def reserve(
        self,
        owner: UUID,
        names: Collection[str],
        limit: int,
        *,
        caps: Sequence[Cap] = (),
        after: Mapping[str, Position] = FROM_THE_START,
        now: datetime | None = None,
    ) -> Sequence[Job]:
        if caps:
            return self._store.reserve(owner, names, limit, caps=caps, after=after, now=now)
        begin = partial(self._reserver.begin, owner, names, limit, after=after, now=now)
        until_begun(begin)
        return answer(self._reserver)


def without_thread(check: Callable[[Store], None]) -> Callable[[NonBlockingStore], None]:
    """Return a check of `reserve` that reserves without a thread."""

    @wraps(check)
    def checked(store: NonBlockingStore) -> None:
        check(cast("Store", _WithoutThread(store)))

    return checked


def check_nothing_is_reserved_before_it_has_connected(store: NonBlockingStore) -> None:
    """`begin` returns False and reserves nothing; `connect` does nothing before that."""
    reserver = calls_of(store).reserver
    reserver.connect()
    put_one(store)
    assert not reserver.begin(start(store), ["mail"], 1, now=NOW)
    assert listed(store, "running") == []


def check_a_sequence_without_jobs_is_an_answer(store: NonBlockingStore) -> None:
    """If no job is due, the answer is empty, and not None."""
    reserver = connected_reserver(store)
    assert reserver.begin(start(store), ["mail"], 1, now=NOW)
    assert list(answer(reserver)) == []


def check_the_store_s_clock_is_used_for_a_reservation(store: NonBlockingStore) -> None:
    """As by `reserve`, its time lies between those of the calls around it."""
    reserver, owner = connected_reserver(store), Owner(new_id(), "default", "node-1")
    store.open_owner(owner, LEASE)
    [before] = store.write([new_job()]).jobs
    until_begun(partial(reserver.begin, owner.id, ["mail"], 1))
    [job] = answer(reserver)
    [after] = store.write([new_job()]).jobs
    assert job.reserved_at is not None
    assert before.created_at <= job.reserved_at <= after.created_at


def check_one_reservation_is_in_progress(store: NonBlockingStore) -> None:
    """Another one is refused until the first has ended, and reserves nothing."""
    reserver, owner = connected_reserver(store), start(store)
    put(store, ask(), ask())
    assert reserver.begin(owner, ["mail"], 1, now=NOW)
    assert not reserver.begin(owner, ["mail"], 1, now=NOW)
    assert not reserver.is_wanted
    [first] = answer(reserver)
    assert listed(store, "running") == [first]
    assert reserver.begin(owner, ["mail"], 1, now=NOW)
    [second] = answer(reserver)
    assert first.id != second.id


def check_a_reservation_that_was_left_keeps_its_jobs(store: NonBlockingStore) -> None:
    """A later one has the answer of its own, with other jobs."""
    reserver, owner = connected_reserver(store), start(store)
    stored = put(store, *[ask() for _ in range(6)])
    for left, awaited in zip(stored[::2], stored[1::2], strict=True):
        begin = partial(reserver.begin, owner, ["mail"], 1, now=NOW)
        until_begun(begin)
        reserver.end()
        until_begun(begin)
        assert ids(answer(reserver)) == [awaited.id]
        assert store.find(left.id, now=NOW) in listed(store, "running")


def check_a_reservation_that_is_aborted_has_an_error_or_its_answer(
    store: NonBlockingStore,
) -> None:
    """The wait ends; each job is reserved at most once, and the next call can be made."""
    reserver, owner = connected_reserver(store), start(store)
    put(store, ask(), ask())
    assert reserver.begin(owner, ["mail"], 1, now=NOW)
    reserver.abort()
    with suppress(StoreUnavailableError):
        answer(reserver)
    reserver = connected_reserver(store)
    assert reserver.begin(owner, ["mail"], 1, now=NOW)
    [job] = answer(reserver)
    assert job in listed(store, "running")
    assert {one.reservations for one in listed(store, "running")} == {1}


def check_a_closed_store_ends_the_wait_for_jobs(store: NonBlockingStore) -> None:
    """`close` and `open` are possible while a reservation is in progress, and after it."""
    reserver, owner = connected_reserver(store), start(store)
    assert reserver.begin(owner, ["other"], 1, now=NOW)
    store.close()
    reserver.end()
    store.open()
    reserver = connected_reserver(store)
    job = put_one(store)
    assert reserver.begin(owner, ["mail"], 1, now=NOW)
    assert ids(answer(reserver)) == [job.id]
