"""A server that compiles costly statements (JIT) compiles no statement of the store.

Compiling takes it hundreds of milliseconds, for statements that take a few. A process of the
server that has compiled something has LLVM in its memory, and keeps it.
"""

from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, get_args

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import EndState, State
from bgjobs._core.limits import Cap, RateLimit
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Succeed
from bgjobs.stores.filters import JobFilter
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.types import Cancelled
from tests.fixtures.debian import started_pgbouncer
from tests.fixtures.postgres import execute, new_database
from tests.fixtures.postgres_jobs import LEASE, enqueue, open_owner, requests
from tests.fixtures.stores import migrated, opened

_MANY = 1_000
_COSTLY = "select sum(number) from generate_series(1, 10000) as made (number)"


@pytest.fixture
def eager(debian_dsn: str) -> Generator[str]:
    """A database in which every statement that reads a table is compiled."""
    with new_database(debian_dsn) as dsn:
        name = conninfo_to_dict(dsn)["dbname"]
        execute(dsn, f"alter database {name} set jit_above_cost = 1")
        yield dsn


def small(given: Any) -> PostgresStore:
    return PostgresStore(given, pool_size=2)


def have_compiled(dsn: str) -> set[int]:
    """Return the processes of sessions of this database that have compiled a statement."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("set jit = off")
        others = connection.execute(
            "select pid from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        ).fetchall()
    assert others
    maps = {pid: Path(f"/proc/{pid}/maps").read_text() for (pid,) in others}
    return {pid for pid, text in maps.items() if "llvmjit" in text}


def test_the_server_compiles_statements_of_others(eager: str) -> None:
    with psycopg.connect(eager) as connection:
        connection.execute(_COSTLY)
        assert have_compiled(eager) == {connection.info.backend_pid}


def ask_everything(store: PostgresStore) -> None:
    """Call all methods whose cost grows with the tables, some of them often."""
    owner = new_id()
    caps = [Cap("work", running=5, rate=RateLimit(5, 60))]
    for _ in range(4):  # so that statements are prepared, if the pool prepares them
        store.count()
        store.count(["work", "other"], at_most=10)
        store.reserve(owner, ["work", "other"], 1_000)
        store.reserve(owner, ["work"], 10, caps=caps)
        store.next_due(["work", "other"])
        store.next_due(["work"], caps=caps)
    store.heartbeat([owner], LEASE)
    store.abandoned()
    store.close_owners()
    store.find(new_id())
    store.find_owners([new_id()])
    operations = store.operations
    for wanted in (
        *map(JobFilter, get_args(State)),
        *(JobFilter(state, name="work", queue="q") for state in get_args(EndState)),
        JobFilter("failed", search="boom"),
        JobFilter("failed", name="work", search="boom"),
    ):
        store.list(wanted)
        if wanted.state != "unreadable":
            operations.list_ids(wanted)
    operations.get_waiting_names(10)
    operations.find_ids(new_id(), new_id(), 10)
    operations.get_owners()
    operations.retry([new_id()])
    operations.cancel([new_id()], Cancelled("no"))
    operations.change([new_id()], priority=1)
    operations.diagnose()


@pytest.mark.parametrize("way", ["ours", "a pool of the caller's", "a pooler"])
def test_no_statement_is_compiled(eager: str, way: str) -> None:
    with ExitStack() as stack:
        with migrated(small(eager)) as store:
            enqueue(store, *requests(10))
        given: Any = eager
        if way == "a pool of the caller's":
            pool = ConnectionPool(eager, min_size=2, max_size=2, open=True)
            given = stack.enter_context(pool)
        elif way == "a pooler":
            given = make_conninfo(
                stack.enter_context(started_pgbouncer(eager)).dsn,
                dbname=conninfo_to_dict(eager)["dbname"],
            )
        store = stack.enter_context(opened(small(given)))
        ask_everything(store)
        assert have_compiled(eager) == set()
        if way == "a pool of the caller's":
            with given.connection() as connection:
                assert connection.execute("show jit").fetchall() == [("on",)]


def test_statements_of_a_large_write_are_too_cheap_to_be_compiled(debian_dsn: str) -> None:
    """The store does not switch compilation off in sessions of the caller."""
    with (
        new_database(debian_dsn) as dsn,
        ConnectionPool(dsn, min_size=1, max_size=1, open=True) as pool,
        migrated(small(pool)) as store,
    ):
        enqueue(store, *(JobRequest("work", "[]").unique(str(n)) for n in range(_MANY)))
        jobs = store.reserve(open_owner(store), ["work"], _MANY)
        assert len(jobs) == _MANY
        assert store.write(settle=[Succeed(job.reservation) for job in jobs]).lost == []
        assert have_compiled(dsn) == set()


def test_enqueueing_many_jobs_in_a_transaction_compiles_nothing_and_keeps_the_setting(
    debian_dsn: str,
) -> None:
    with new_database(debian_dsn) as dsn, migrated(small(dsn)) as store:
        many = [JobRequest("work", "[]").unique(str(number)) for number in range(6 * _MANY)]
        with psycopg.connect(dsn) as connection:
            first = store.enqueue_in(connection, many)
            again = store.enqueue_in(connection, many)
            assert [job.id for job in first] == [job.id for job in again]
            assert connection.execute("show jit").fetchall() == [("on",)]
            assert connection.info.backend_pid not in have_compiled(dsn)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_enqueueing_many_jobs_on_an_async_connection_compiles_nothing(
    debian_dsn: str,
) -> None:
    with new_database(debian_dsn) as dsn, migrated(small(dsn)) as store:
        many = [JobRequest("work", "[]").unique(str(number)) for number in range(6 * _MANY)]
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            await store.enqueue_in_async(connection, many)
            await store.enqueue_in_async(connection, many)
            assert connection.info.backend_pid not in have_compiled(dsn)
