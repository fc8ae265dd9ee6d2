"""`complete`: success and the writes of the user in one transaction."""

from collections.abc import Callable
from operator import methodcaller
from typing import Any

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job, SucceededJob
from bgjobs.errors import StoreError
from bgjobs.stores.port import Store
from bgjobs.stores.types import NewJob
from bgjobs.testing.contract.steps import (
    NOW,
    SECOND,
    ask,
    enqueued,
    fail,
    follow,
    hold,
    ids,
    listed,
    requeue,
    start,
    succeed,
    take,
)

DROP = "drop table if exists contract_effects"
MAKE = "create table contract_effects (effect integer)"
ADD = "insert into contract_effects values (1)"
_COUNT = "select count(*) from contract_effects"


def run(store: Store, *statements: str) -> list[Any]:
    """Run SQL on the database of the store, in the `complete` of a new job."""
    found: list[Any] = []

    def work(connection: Any) -> None:
        for statement in statements:
            cursor = connection.execute(statement)
            if statement.startswith("select"):
                found.extend(cursor.fetchall())

    assert store.complete(hold(store).reservation, work, now=NOW)
    return found


def effects(store: Store) -> int:
    """Count the rows that `ADD` has stored."""
    number: int = run(store, _COUNT)[0][0]
    return number


def check_complete_lets_the_job_succeed(store: Store) -> None:
    """The stored job equals one that was settled as succeeded."""
    held = hold(store, unique_key="k")
    assert store.complete(held.reservation, lambda _: None, now=NOW + SECOND) is True
    ended = store.find(held.id)
    assert isinstance(ended, SucceededJob)
    assert ended.succeeded_at == NOW + SECOND
    assert (ended.reserved_by, ended.reservations) == (held.reserved_by, 1)
    assert listed(store, "running") == []


def check_complete_writes_the_effects_of_work(store: Store) -> None:
    """The writes of `work` are committed when `complete` returns."""
    run(store, DROP, MAKE)
    held = hold(store)
    assert store.complete(held.reservation, lambda raw: raw.execute(ADD), now=NOW)
    assert effects(store) == 1
    run(store, DROP)


def check_work_is_called_once_with_a_connection(store: Store) -> None:
    """The argument is a connection of the driver."""
    seen: list[Any] = []
    assert store.complete(hold(store).reservation, seen.append, now=NOW)
    assert len(seen) == 1
    assert callable(seen[0].execute)


def check_complete_stores_what_follows(store: Store) -> None:
    """A new job may take the unique key of the job that ends."""
    held = hold(store, unique_key="k")
    following = [follow(held, unique_key="k"), NewJob(new_id(), ask("other"))]
    assert store.complete(held.reservation, lambda _: None, following, now=NOW) is True
    assert ids(listed(store, "succeeded")) == [held.id]
    assert sorted(ids(enqueued(store))) == sorted(new.id for new in following)
    assert store.find_unique("mail", "k") == store.find(following[0].id)


def check_what_work_raises_takes_back_what_follows(store: Store) -> None:
    """The new jobs are not stored; the job stays reserved and keeps its unique key."""
    held = hold(store, unique_key="k")
    try:
        store.complete(held.reservation, _raise, [follow(held, unique_key="k")], now=NOW)
    except ValueError:
        assert store.find_unique("mail", "k") == held
        assert enqueued(store) == []
    else:
        raise AssertionError("complete did not raise the error of work")


def check_a_lost_reservation_stores_nothing_that_follows(store: Store) -> None:
    """New jobs without `after` are not stored either."""
    held = hold(store)
    store.write(settle=[succeed(held)], now=NOW)
    following = [follow(held), NewJob(new_id(), ask())]
    assert store.complete(held.reservation, lambda _: None, following, now=NOW) is False
    assert enqueued(store) == []


def _raise(_: Any) -> None:
    raise ValueError("no")


def check_what_work_gives_back_is_ignored(store: Store) -> None:
    """False does not stop the completion."""
    held = hold(store)
    assert store.complete(held.reservation, lambda _: False, now=NOW) is True
    assert ids(listed(store, "succeeded")) == [held.id]


def check_what_work_raises_rolls_back_and_comes_out(store: Store) -> None:
    """`complete` raises the same exception; the job stays reserved and nothing is stored."""
    run(store, DROP, MAKE)
    held = hold(store)
    expected = ValueError("no")

    def work(connection: Any) -> None:
        connection.execute(ADD)
        raise expected

    raised: Exception | None = None
    try:
        store.complete(held.reservation, work, now=NOW)
    except ValueError as error:
        raised = error
    assert raised is expected
    assert store.find(held.id) == held
    assert effects(store) == 0
    assert store.complete(held.reservation, lambda _: None, now=NOW), (
        "the reservation is still valid"
    )
    run(store, DROP)


def check_an_error_of_the_driver_in_work_comes_out_as_it_is(store: Store) -> None:
    """The statement is that of the user, so its error is not translated."""
    held = hold(store)
    try:
        store.complete(held.reservation, lambda raw: raw.execute("selekt 1"), now=NOW)
    except StoreError as error:
        raise AssertionError("complete translated the error of the driver") from error
    except Exception:  # noqa: BLE001 - each driver has its own error classes
        assert store.find(held.id) == held
    else:
        raise AssertionError("complete accepted an invalid statement")


def check_a_lost_reservation_does_not_call_work(store: Store) -> None:
    """`complete` returns False, and the new owner keeps the job."""
    held = hold(store)
    store.write(settle=[requeue(held)], now=NOW)
    [taken] = take(store, start(store))
    called: list[Any] = []
    assert store.complete(held.reservation, called.append, now=NOW) is False
    assert called == []
    assert store.find(held.id) == taken


def check_complete_twice_is_lost_the_second_time(store: Store) -> None:
    """`work` is called once."""
    held = hold(store)
    calls: list[Any] = []
    assert store.complete(held.reservation, calls.append, now=NOW) is True
    assert store.complete(held.reservation, calls.append, now=NOW) is False
    assert len(calls) == 1


def check_work_that_commits_is_an_error(store: Store) -> None:
    """The store or the driver raises; the job stays reserved."""
    held = _assert_refused(store, methodcaller("commit"))
    assert store.find(held.id) == held
    assert enqueued(store, "next") == []


def check_work_that_commits_by_a_statement_is_an_error(store: Store) -> None:
    """The job has not succeeded, nothing follows it, and it can still fail."""

    def commit(connection: Any) -> None:
        connection.execute("commit")

    def commit_and_go_on(connection: Any) -> None:
        for statement in ("commit", "begin", "select 1"):
            connection.execute(statement)

    def commit_and_raise(connection: Any) -> None:
        connection.execute("commit")
        _raise(connection)

    for number, work in enumerate((commit, commit_and_go_on, commit_and_raise)):
        held = _assert_refused(store, work, unique_key=f"k{number}")
        found = store.find(held.id)
        assert isinstance(found, Job)
        assert found.reservation == held.reservation
        assert enqueued(store, "next") == []
        assert not store.write(settle=[fail(held)], now=NOW).lost


def check_work_may_use_savepoints(store: Store) -> None:
    """A rollback to a savepoint discards only the writes after it."""
    run(store, DROP, MAKE)

    def work(connection: Any) -> None:
        for statement in (
            *("savepoint one", ADD, "rollback to savepoint one", "release savepoint one"),
            *("savepoint two", ADD, "release savepoint two"),
        ):
            connection.execute(statement)

    assert store.complete(hold(store).reservation, work, now=NOW)
    assert effects(store) == 1
    run(store, DROP)


def check_a_completed_job_keeps_its_unique_key(store: Store) -> None:
    """Another job may have the same key afterwards."""
    held = hold(store, unique_key="k")
    assert store.complete(held.reservation, lambda _: None, now=NOW)
    ended = store.find(held.id)
    assert isinstance(ended, SucceededJob)
    assert ended.unique_key == "k"
    assert hold(store, unique_key="k").id != held.id


def check_work_that_rolls_back_is_an_error(store: Store) -> None:
    """The store or the driver raises; the job stays reserved."""
    held = _assert_refused(store, methodcaller("rollback"))
    assert store.find(held.id) == held
    assert enqueued(store, "next") == []


def check_work_that_begins_another_transaction_is_an_error(store: Store) -> None:
    """The writes of that transaction are rolled back; the job stays reserved."""
    run(store, DROP, MAKE)

    def work(connection: Any) -> None:
        for statement in ("rollback", "begin", ADD):
            connection.execute(statement)

    held = _assert_refused(store, work)
    assert store.find(held.id) == held
    assert effects(store) == 0
    run(store, DROP)


def _assert_refused(store: Store, work: Callable[[Any], object], **options: Any) -> Job:
    held = hold(store, **options)
    try:
        following = [follow(held, name="next")]
        store.complete(held.reservation, work, following, now=NOW)
    except Exception:  # noqa: BLE001 - a driver may raise an error of its own class
        other = hold(store, priority=-1)
        assert not store.write(settle=[succeed(other)], now=NOW).lost
        return held
    raise AssertionError("work ended the transaction, and complete did not raise")
