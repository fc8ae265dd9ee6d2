"""Unique keys: at most one live job of a worker has a key."""

from collections.abc import Callable
from functools import partial
from uuid import UUID

from attrs import evolve

from bgjobs._core.ids import new_id
from bgjobs.errors import DuplicateJobError
from bgjobs.stores.port import Store
from bgjobs.stores.types import NewJob
from bgjobs.testing.contract.steps import (
    DAY,
    ENDS,
    NOW,
    ask,
    drop,
    end,
    enqueued,
    fail,
    hold,
    listed,
    put,
    put_one,
    requeue,
    start,
    succeed,
    take,
)


def check_a_taken_unique_key_gives_its_holder(store: Store) -> None:
    """The write returns the job that holds the key, and stores nothing."""
    holder = put_one(store, unique_key="k")
    assert put_one(store, unique_key="k", now=NOW + DAY) == holder
    assert enqueued(store) == [holder]


def check_a_unique_key_is_taken_while_the_job_is_delayed(store: Store) -> None:
    """A delayed job holds its key."""
    holder = put_one(store, unique_key="k", available_in=DAY)
    assert put_one(store, unique_key="k") == holder


def check_a_unique_key_is_taken_while_the_job_runs(store: Store) -> None:
    """The returned job is the reserved one."""
    held = hold(store, unique_key="k")
    assert put_one(store, unique_key="k") == held
    assert enqueued(store) == []


def check_a_unique_key_is_taken_after_a_release(store: Store) -> None:
    """A job that was put back holds its key."""
    held = hold(store, unique_key="k")
    store.write(settle=[requeue(held)], now=NOW)
    assert put_one(store, unique_key="k").id == held.id


def check_a_unique_key_twice_in_one_write_is_stored_once(store: Store) -> None:
    """The first request of the write gets the key."""
    first, second, other = put(
        store, ask(unique_key="k"), ask(unique_key="k"), ask(unique_key="l")
    )
    assert first == second
    assert other.id != first.id
    assert len(enqueued(store)) == 2


def check_a_unique_key_belongs_to_one_worker(store: Store) -> None:
    """Jobs of another worker may have the same key."""
    assert put_one(store, "a", unique_key="k").id != put_one(store, "b", unique_key="k").id


def check_jobs_without_a_unique_key_are_never_the_same(store: Store) -> None:
    """Equal requests without a key are two jobs."""
    put(store, ask(), ask())
    assert len(enqueued(store)) == 2


def check_success_frees_the_unique_key(store: Store) -> None:
    """The next request with the key is a new job."""
    held = hold(store, unique_key="k")
    store.write(settle=[succeed(held)], now=NOW)
    assert put_one(store, unique_key="k").id != held.id


def check_failure_frees_the_unique_key(store: Store) -> None:
    """The next request with the key is a new job."""
    held = hold(store, unique_key="k")
    store.write(settle=[fail(held)], now=NOW)
    assert put_one(store, unique_key="k").id != held.id


def check_ended_jobs_may_share_a_unique_key(store: Store) -> None:
    """Several jobs of each end may have the same key."""
    for settle in (*ENDS.values(), *ENDS.values()):
        end(store, settle, unique_key="k")
    for state in ENDS:
        assert [job.unique_key for job in listed(store, state)] == ["k", "k"]


def check_the_holder_of_a_unique_key_is_found(store: Store) -> None:
    """`find_unique` returns waiting, delayed and reserved jobs as `find` does."""
    held = hold(store, unique_key="h")
    waiting, delayed = put(store, ask(unique_key="w"), ask(unique_key="d", available_in=DAY))
    found = [store.find_unique("mail", key) for key in ("h", "w", "d")]
    assert found == [held, waiting, delayed]


def check_an_unknown_unique_key_has_no_holder(store: Store) -> None:
    """`find_unique` returns None for other keys, other workers and an empty key."""
    put(store, ask("mail", unique_key="k"), ask("mail"), ask("purge"))
    assert store.find_unique("mail", "K") is None
    assert store.find_unique("purge", "k") is None
    assert store.find_unique("mail", "") is None


def check_an_ended_job_holds_no_unique_key(store: Store) -> None:
    """The key is free after success, failure, a cancellation and a drop."""
    for settle in (*ENDS.values(), drop):
        store.write(settle=[settle(hold(store, unique_key="k"))], now=NOW)
        assert store.find_unique("mail", "k") is None


def check_settling_frees_the_key_for_the_same_write(store: Store) -> None:
    """A scheduled job ends and its next occurrence is stored in one transaction."""
    held = hold(store, unique_key="k")
    following = NewJob(new_id(), ask(unique_key="k", available_in=DAY))
    written = store.write([following], [succeed(held)], now=NOW)
    assert [job.id for job in written.jobs] == [following.id]
    assert store.find(following.id) == written.jobs[0]


def check_a_request_may_refuse_a_taken_key(store: Store) -> None:
    """The whole write is rolled back, and the error has the id of the holder."""
    running = hold(store)
    holder = put_one(store, unique_key="k")
    refusing = ask(unique_key="k", refuses_duplicates=True)
    new = [NewJob(new_id(), ask()), NewJob(new_id(), refusing)]
    assert _refused(lambda: store.write(new, [succeed(running)], now=NOW)) == (
        *("mail", "k"),
        holder.id,
    )
    assert enqueued(store) == [holder]
    assert not store.write(settle=[succeed(running)], now=NOW).lost


def check_a_request_that_refuses_is_stored_where_the_key_is_free(store: Store) -> None:
    """The write may be repeated, and a job that ends in the same write frees its key."""
    new = NewJob(new_id(), ask(unique_key="k", refuses_duplicates=True))
    [job] = store.write([new], now=NOW).jobs
    assert store.write([evolve(new, repeated=True)], now=NOW).jobs == [job]
    [held] = take(store, start(store))
    after = NewJob(new_id(), new.request)
    [following] = store.write([after], [succeed(held)], now=NOW).jobs
    assert enqueued(store) == [following]
    assert following.id == after.id


def check_two_requests_that_refuse_are_not_stored_together(store: Store) -> None:
    """None of the requests is stored, and the error has no holder."""
    refusing = ask(unique_key="k", refuses_duplicates=True)
    other = ask(unique_key="k")
    for requests in ((refusing, refusing), (other, refusing), (ask(), other, refusing)):
        assert _refused(partial(put, store, *requests)) == ("mail", "k", None)
        assert enqueued(store) == []


def check_a_refused_request_names_the_holder_that_others_of_its_write_are_given(
    store: Store,
) -> None:
    """The error has the id of the holder, also if another request would accept it."""
    holder = put_one(store, unique_key="k")
    refusing = ask(unique_key="k", refuses_duplicates=True)
    refused = _refused(lambda: put(store, ask(unique_key="k"), refusing))
    assert refused == ("mail", "k", holder.id)
    assert enqueued(store) == [holder]


def _refused(write: Callable[[], object]) -> tuple[str, str, UUID | None] | None:
    """Return the worker, the key and the holder of the error; None if there is none."""
    try:
        write()
    except DuplicateJobError as error:
        return error.name, error.unique_key, error.holder
    return None
