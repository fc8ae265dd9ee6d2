"""Parents that end while another transaction stores or puts back one of their children."""

from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Event
from typing import Any, TypeVar
from uuid import UUID

import psycopg
import pytest

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import CancelledJob, Job, Reservation
from bgjobs._core.outcomes import Cancelled
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Succeed
from bgjobs.stores.nurseries import PARENT_ENDED, NewChild
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.types import NewJob, Written
from bgjobs.testing.contract.family_changes import check_no_child_outlives_its_parent
from bgjobs.testing.contract.nurseries import check_two_nodes_start_one_child
from bgjobs.testing.contract.steps import cancel, fail, requeue
from tests.fixtures.postgres import fresh_postgres_store, schema_of
from tests.fixtures.postgres_jobs import open_owner, reserve_one
from tests.fixtures.postgres_locks import count_deadlocks, named, wait_until_waiting

T = TypeVar("T")
_LEASE = timedelta(minutes=5)
_ENDED = Cancelled(PARENT_ENDED)
_REQUEST = JobRequest("part", "[]")


@contextmanager
def _two(dsn: str) -> Generator[tuple[PostgresStore, PostgresStore, str]]:
    """Open a store twice, as two nodes do; the name is that of the sessions of the second."""
    name, other = named(dsn)
    with fresh_postgres_store(dsn) as first:
        second = PostgresStore(other, schema=schema_of(first))
        second.open()
        try:
            yield first, second, name
        finally:
            second.close()


@contextmanager
def _starting(store: PostgresStore, parent: Reservation | UUID) -> Generator[Callable[[], Any]]:
    """Start a child in a transaction that stays open until the function is called."""
    begun, go_on = Event(), Event()

    def plan(now: datetime) -> JobRequest:
        del now
        begun.set()
        assert go_on.wait(30)
        return _REQUEST

    new = NewChild("a", NewJob(new_id(), _REQUEST, plan=plan))
    with ThreadPoolExecutor(1) as pool:
        started = pool.submit(store.nurseries.start_children, parent, [new])

        def commit() -> Any:
            go_on.set()
            return started.result(30)

        try:
            assert begun.wait(30)
            yield commit
        finally:
            go_on.set()


@contextmanager
def _blocked(dsn: str, name: str, work: Callable[[], T]) -> Generator[Future[T]]:
    """Run `work` in a thread until it waits for a lock."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(work)
        wait_until_waiting(dsn, name, 1)
        yield running


def _reason(store: PostgresStore, job_id: UUID) -> str | None:
    found = store.find(job_id)
    return found.reason if isinstance(found, CancelledJob) else None


@pytest.mark.parametrize("has_others", [False, True])
def test_a_child_that_is_being_stored_ends_with_its_parent(
    postgres_dsn: str, *, has_others: bool
) -> None:
    """The monitor ends the parent at its crash limit; the frozen old holder goes on."""
    with _two(postgres_dsn) as (holder, monitor, name):
        parent = reserve_one(holder)
        if has_others:
            other = NewChild("b", NewJob(new_id(), _REQUEST))
            assert holder.nurseries.start_children(parent.reservation, [other])
        with _starting(holder, parent.reservation) as commit:
            end = fail(parent, "crashed too often")
            with _blocked(postgres_dsn, name, lambda: monitor.write(settle=[end])) as ending:
                [child] = commit()
                assert list(ending.result(30).lost) == []
        late = NewChild("c", NewJob(new_id(), _REQUEST))
        assert holder.nurseries.start_children(parent.reservation, [late]) is None
        assert _reason(holder, child.id) == PARENT_ENDED
        assert holder.count().waiting == 0


def test_a_child_is_not_stored_while_its_parent_ends(postgres_dsn: str) -> None:
    with _two(postgres_dsn) as (holder, node, name):
        parent = reserve_one(holder)
        new = NewChild("a", NewJob(new_id(), _REQUEST))

        def start() -> object:
            return node.nurseries.start_children(parent.reservation, [new])

        blocked = _blocked(postgres_dsn, name, start)
        with _ending(holder, parent) as commit, blocked as starting:
            commit()
            assert starting.result(30) is None
        assert holder.find(new.job.id) is None


@contextmanager
def _ending(store: PostgresStore, parent: Job) -> Generator[Callable[[], Any]]:
    """End a job in a transaction that stays open until the function is called."""
    begun, go_on = Event(), Event()

    def work(connection: Any, job: Any) -> None:
        del connection, job
        begun.set()
        assert go_on.wait(30)

    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(store.end_with, cancel(parent), work)

        def commit() -> Any:
            go_on.set()
            return ended.result(30)

        try:
            assert begun.wait(30)
            yield commit
        finally:
            go_on.set()


def _family(store: PostgresStore) -> tuple[Job, Job]:
    """Return a parent and its child, which are both reserved."""
    parent = reserve_one(store)
    new = NewChild("a", NewJob(new_id(), _REQUEST))
    assert store.nurseries.start_children(parent.reservation, [new])
    [child] = store.reserve(open_owner(store), ["part"], 1)
    return parent, child


def test_a_child_that_is_put_back_waits_for_the_end_of_its_parent(postgres_dsn: str) -> None:
    with _two(postgres_dsn) as (holder, node, name):
        parent, child = _family(holder)

        def put_back() -> Written:
            return node.write(settle=[requeue(child)])

        blocked = _blocked(postgres_dsn, name, put_back)
        with _ending(holder, parent) as commit, blocked as putting:
            assert commit().commands
            assert putting.result(30).cancelled == {child.reservation: _ENDED}
        assert _reason(holder, child.id) == PARENT_ENDED


def test_a_parent_waits_for_a_child_that_is_being_put_back(postgres_dsn: str) -> None:
    with _two(postgres_dsn) as (holder, node, name):
        parent, child = _family(holder)
        jobs = f'"{schema_of(holder)}".jobs'

        def end() -> Written:
            return node.write(settle=[Succeed(parent.reservation)])

        with psycopg.connect(postgres_dsn) as other:
            lock = f"select from {jobs} where id = %s for key share"
            other.execute(lock.encode(), [parent.id])
            back = f"update {jobs} set reserved_by = null, reserved_at = null where id = %s"
            other.execute(back.encode(), [child.id])
            with _blocked(postgres_dsn, name, end) as ending:
                other.commit()
                written = ending.result(30)
        assert (list(written.lost), written.commands) == ([], False)
        assert _reason(holder, child.id) == PARENT_ENDED


def test_a_child_that_is_being_reserved_is_asked(postgres_dsn: str) -> None:
    """The end of its parent waits for the reservation, and the job runs then."""
    with _two(postgres_dsn) as (holder, node, name):
        parent = reserve_one(holder)
        new = NewChild("a", NewJob(new_id(), _REQUEST))
        assert holder.nurseries.start_children(parent.reservation, [new])
        owner = open_owner(holder)
        reserve = (
            f'update "{schema_of(holder)}".jobs set reserved_by = %s, reserved_at = now(),'
            " reservations = 1 where id = %s"
        )

        def end() -> Written:
            return node.write(settle=[Succeed(parent.reservation)])

        with psycopg.connect(postgres_dsn) as other:
            other.execute(reserve.encode(), [owner, new.job.id])
            with _blocked(postgres_dsn, name, end) as ending:
                other.commit()
                assert ending.result(30).commands
        assert holder.operations.commands([owner]).cancelled == {new.job.id: _ENDED}


def test_closing_an_owner_waits_for_a_child_that_is_being_stored(postgres_dsn: str) -> None:
    with _two(postgres_dsn) as (holder, node, name):
        owner = open_owner(holder)
        blocked = _blocked(postgres_dsn, name, lambda: node.close_owners([owner]))
        with _starting(holder, owner) as commit, blocked as closing:
            [child] = commit()
            closing.result(30)
        assert _reason(holder, child.id) == PARENT_ENDED


def test_a_lease_is_renewed_while_a_child_is_being_stored(postgres_dsn: str) -> None:
    with _two(postgres_dsn) as (holder, node, _):
        owner = open_owner(holder)
        with _starting(holder, owner) as commit:
            assert node.heartbeat([owner], _LEASE).alive == {owner}
            assert len(commit()) == 1


@pytest.mark.parametrize(
    "check", [check_no_child_outlives_its_parent, check_two_nodes_start_one_child]
)
def test_no_transactions_deadlock(postgres_dsn: str, check: Callable[[Any], None]) -> None:
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        before = count_deadlocks(connection)
        for _ in range(3):
            with fresh_postgres_store(postgres_dsn) as store:
                check(store)
        assert count_deadlocks(connection) == before
