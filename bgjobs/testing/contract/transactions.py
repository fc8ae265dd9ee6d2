"""`enqueue_in`: jobs in the transaction of the caller."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

from bgjobs._core.requests import JobRequest
from bgjobs.errors import DuplicateJobError, NaiveDatetimeError
from bgjobs.stores.port import Store
from bgjobs.testing.contract.steps import (
    DAY,
    NOW,
    ask,
    enqueued,
    ids,
    put_one,
    start,
    take,
)

Connect = Callable[[], AbstractContextManager[Any]]
"""Opens a connection to the database of the store; Any, as it is of the driver."""


def check_jobs_exist_once_the_caller_commits(store: Store, connect: Connect) -> None:
    """Other connections do not see the jobs before the commit."""
    with connect() as connection:
        requests = [ask(payload="1"), ask(payload="2", available_in=DAY)]
        jobs = store.enqueue_in(connection, requests, now=NOW)
        assert [job.state for job in jobs] == ["waiting", "delayed"]
        assert enqueued(store) == []
        connection.commit()
        assert enqueued(store) == list(jobs)
    assert [job.payload for job in jobs] == ["1", "2"]


def check_jobs_do_not_exist_if_the_caller_rolls_back(store: Store, connect: Connect) -> None:
    """No row and no unique key is left."""
    with connect() as connection:
        [job] = store.enqueue_in(connection, [ask(unique_key="k")], now=NOW)
        connection.rollback()
    assert store.find(job.id) is None
    assert put_one(store, unique_key="k").id != job.id


def check_jobs_and_the_callers_writes_are_one_transaction(
    store: Store, connect: Connect
) -> None:
    """A rollback discards the jobs and the writes of the caller."""
    with connect() as connection:
        connection.execute("drop table if exists contract_orders")
        connection.execute("create table contract_orders (number integer)")
        connection.commit()
        connection.execute("insert into contract_orders values (1)")
        store.enqueue_in(connection, [ask()], now=NOW)
        connection.rollback()
        found = connection.execute("select count(*) from contract_orders").fetchall()
        assert found[0][0] == 0
        connection.rollback()
        connection.execute("drop table contract_orders")
        connection.commit()
    assert enqueued(store) == []


def check_enqueue_in_needs_no_open_store(store: Store, connect: Connect) -> None:
    """It needs only the schema."""
    store.close()
    with connect() as connection:
        jobs = store.enqueue_in(connection, [ask()], now=NOW)
        connection.commit()
    store.open()
    assert enqueued(store) == list(jobs)


def check_enqueue_in_takes_all_options(store: Store, connect: Connect) -> None:
    """The options have the same effect as in `write`."""
    with connect() as connection:
        [job] = store.enqueue_in(
            connection, [ask(priority=-2, unique_key="k", available_in=DAY)], now=NOW
        )
        connection.commit()
    assert (job.priority, job.unique_key, job.available_at) == (-2, "k", NOW + DAY)
    assert store.find(job.id) == job


def check_enqueue_in_gives_the_holder_of_a_unique_key(store: Store, connect: Connect) -> None:
    """The holder is a live job, or an earlier request of the same call."""
    holder = put_one(store, unique_key="k")
    with connect() as connection:
        requests = [ask(unique_key="k"), ask(unique_key="l"), ask(unique_key="l")]
        first, second, third = store.enqueue_in(connection, requests, now=NOW)
        connection.commit()
    assert first == holder
    assert second == third
    assert len(enqueued(store)) == 2


def check_enqueue_in_of_nothing_is_harmless(store: Store, connect: Connect) -> None:
    """An empty sequence of requests is allowed."""
    with connect() as connection:
        assert list(store.enqueue_in(connection, [], now=NOW)) == []
        connection.commit()


def check_a_request_may_be_enqueued_twice(store: Store, connect: Connect) -> None:
    """A request is a value; each use is a new job."""
    request = ask()
    with connect() as connection:
        one, other = store.enqueue_in(connection, [request, request], now=NOW)
        connection.commit()
    assert sorted(ids(enqueued(store))) == sorted([one.id, other.id])


def check_enqueue_in_refuses_a_naive_now(store: Store, connect: Connect) -> None:
    """A `now` without a time zone raises, and nothing is stored."""
    with connect() as connection:
        try:
            store.enqueue_in(connection, [ask()], now=NOW.replace(tzinfo=None))
        except NaiveDatetimeError:
            connection.rollback()
        else:
            raise AssertionError("enqueue_in accepted a naive now")
    assert enqueued(store) == []


def check_enqueue_in_has_the_clock_of_the_store(store: Store, connect: Connect) -> None:
    """Without `now`, the job is due once it is committed."""
    with connect() as connection:
        [job] = store.enqueue_in(connection, [ask()])
        connection.commit()
    assert job.created_at.utcoffset() == timedelta(0)
    due = store.next_due(["mail"])
    assert due is not None
    assert due <= timedelta(0)


def check_a_job_enqueued_in_a_transaction_can_be_reserved(
    store: Store, connect: Connect
) -> None:
    """It is reserved like a job of `write`."""
    with connect() as connection:
        jobs = store.enqueue_in(connection, [ask()], now=NOW)
        connection.commit()
    assert ids(take(store, start(store))) == ids(jobs)


def check_a_refused_duplicate_stores_nothing_in_the_transaction(
    store: Store, connect: Connect
) -> None:
    """The transaction stays open: the caller may commit its other writes."""
    holder = put_one(store, unique_key="k")
    refusing = ask(unique_key="k", refuses_duplicates=True)
    with connect() as connection:
        [other] = store.enqueue_in(connection, [ask()], now=NOW)
        assert _refuses(store, connection, ask(payload="1"), refusing)
        connection.commit()
        assert _refuses(store, connection, ask(payload="1"), refusing)
        connection.commit()
    assert ids(enqueued(store)) == [holder.id, other.id]


def check_two_requests_with_one_key_name_no_holder_in_the_transaction(
    store: Store, connect: Connect
) -> None:
    """None of the requests is stored, and the error has no holder."""
    refusing = ask(unique_key="k", refuses_duplicates=True)
    with connect() as connection:
        refused = _refusal(store, connection, ask(unique_key="k"), refusing)
        connection.commit()
    assert refused is not None
    assert refused.holder is None
    assert enqueued(store) == []


def _refuses(store: Store, connection: Any, *requests: JobRequest) -> bool:
    return _refusal(store, connection, *requests) is not None


def _refusal(store: Store, connection: Any, *requests: JobRequest) -> DuplicateJobError | None:
    try:
        store.enqueue_in(connection, requests, now=NOW)
    except DuplicateJobError as error:
        return error
    return None
