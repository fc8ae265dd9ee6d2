"""PgBouncer in transaction mode: what a client leaves in a session, another client finds."""

import json
import logging
import select
import subprocess
import sys
import warnings
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from time import monotonic, sleep
from typing import Any

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from bgjobs._core.ids import new_id
from bgjobs._core.requests import JobRequest
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.types import NewJob, Notice
from bgjobs.testing.contract.steps import listed
from tests.fixtures.debian import PgBouncer, started_pgbouncer
from tests.fixtures.postgres import fresh_postgres_store, schema_of
from tests.fixtures.postgres_jobs import LEASE, open_owner
from tests.fixtures.postgres_locks import named, wait_until_waiting
from tests.fixtures.stores import opened

pytestmark = pytest.mark.xdist_group("pgbouncer")

_JOBS = 10
_LEASE = 4.0  # seconds
_HEARTBEATS = 12
"""The driver prepares a statement when it is run for the sixth time."""
_PATIENCE = 60.0  # seconds
_SESSION = """
select
    pg_backend_pid(),
    (select count(*) from pg_prepared_statements),
    (select count(*) from pg_listening_channels()),
    (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()),
    current_setting('jit'),
    current_setting('client_encoding')
"""


@pytest.fixture(scope="module")
def bouncer(debian_dsn: str) -> Generator[PgBouncer]:
    with started_pgbouncer(debian_dsn) as bouncer:
        yield bouncer


@pytest.fixture
def schema(debian_dsn: str) -> Generator[str]:
    with fresh_postgres_store(debian_dsn) as store:
        yield schema_of(store)


def at(given: Any, schema: str, **settings: Any) -> AbstractContextManager[PostgresStore]:
    return opened(PostgresStore(given, schema=schema, **settings))


def sessions(bouncer: PgBouncer) -> list[tuple[Any, ...]]:
    """Return the state of all sessions of the pooler, by using all of them at once."""
    # For another user, the pooler would open other sessions.
    with ExitStack() as stack:
        found = []
        for _ in bouncer.tell("show servers"):
            connection = stack.enter_context(
                psycopg.connect(bouncer.dsn, prepare_threshold=None)
            )
            found.append(connection.execute(_SESSION).fetchall()[0])
    assert len({pid for pid, *_ in found}) == len(found) > 0
    return found


def check_clean(bouncer: PgBouncer) -> None:
    """Check that no session contains anything that a client has left."""
    for _, *left in sessions(bouncer):
        assert left == [0, 0, 0, "on", "UTF8"]


@contextmanager
def traffic(dsn: str) -> Generator[None]:
    """Run transactions of other clients of the pooler, so that sessions change clients."""
    stop = Event()

    def client() -> int:
        done = 0
        with psycopg.connect(dsn, prepare_threshold=None) as connection:
            while not stop.is_set():
                connection.execute("select pg_sleep(0.005)")
                connection.commit()
                done += 1
        return done

    with ThreadPoolExecutor(3) as threads:
        clients = [threads.submit(client) for _ in range(3)]
        try:
            yield
        finally:
            stop.set()
        assert all(one.result() for one in clients)


def start(
    dsn: str, schema: str, folder: Path, *, callers_pool: bool
) -> "subprocess.Popen[str]":
    settings = {"lease": _LEASE, "heartbeat_interval": 0.1}
    given = {
        "dsn": dsn,
        "schema": schema,
        "folder": str(folder),
        "callers_pool": callers_pool,
        "jobs": _JOBS,
        "settings": settings,
    }
    command = [sys.executable, "-m", "tests.field.applications", json.dumps(given)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def wait_until(holds: Callable[[], bool], running: list["subprocess.Popen[str]"]) -> None:
    deadline = monotonic() + _PATIENCE
    while not holds():
        assert all(process.poll() is None for process in running)
        assert monotonic() < deadline
        sleep(0.05)


def begun(folder: Path) -> list[str]:
    """Return the ids of the jobs that began, once for each run."""
    journal = folder / "begun"
    return journal.read_text().split() if journal.exists() else []


class Leases:
    """The leases of all owners, read again and again."""

    def __init__(self, dsn: str, schema: str) -> None:
        self._dsn = dsn
        self._ends = f'select id, lease_expires_at from "{schema}".owners'.encode()
        self._seen: dict[object, set[datetime]] = {}

    def are_long_held(self) -> bool:
        """Whether all were renewed repeatedly, for longer than twice the lease."""
        with psycopg.connect(self._dsn) as connection:
            for owner, ends_at in connection.execute(self._ends):
                self._seen.setdefault(owner, set()).add(ends_at)
        return all(
            len(ends) > _HEARTBEATS and max(ends) - min(ends) > timedelta(seconds=2 * _LEASE)
            for ends in self._seen.values()
        )


def test_jobs_that_are_longer_than_many_heartbeats_begin_once(
    bouncer: PgBouncer, debian_dsn: str, schema: str, tmp_path: Path
) -> None:
    """Two applications, one with a pool of its own, beside transactions of other clients."""
    with at(debian_dsn, schema) as store:
        store.write([NewJob(new_id(), JobRequest("hold", "{}")) for _ in range(_JOBS)])
    leases = Leases(debian_dsn, schema)
    with traffic(bouncer.dsn):
        running = [
            start(bouncer.dsn, schema, tmp_path, callers_pool=own) for own in (True, False)
        ]
        try:
            wait_until(lambda: len(begun(tmp_path)) >= _JOBS, running)
            wait_until(leases.are_long_held, running)
            (tmp_path / "release").touch()
            troubles = [
                json.loads(process.communicate(timeout=_PATIENCE)[0]) for process in running
            ]
        finally:
            for process in running:
                process.kill()
                process.wait()
    assert troubles == [[], []]
    assert len(begun(tmp_path)) == len(set(begun(tmp_path))) == _JOBS
    with at(debian_dsn, schema) as store:
        assert [job.reservations for job in listed(store, "succeeded")] == [1] * _JOBS
    check_clean(bouncer)


def callers_pool(dsn: str) -> ConnectionPool[Any]:
    """Return a pool of an application, which prepares statements soon."""
    kwargs = {"prepare_threshold": 0}
    return ConnectionPool(dsn, kwargs=kwargs, min_size=1, max_size=2, open=True)


def run_often(connection: psycopg.Connection[Any]) -> None:
    for _ in range(10):
        connection.execute("select count(*) from pg_catalog.pg_class where oid = %s", (1,))


@pytest.mark.parametrize("whose", ["ours", "the caller's"])
def test_repeated_statements_leave_nothing_in_any_session(
    bouncer: PgBouncer, schema: str, whose: str
) -> None:
    with ExitStack() as stack:
        dsn = bouncer.dsn
        given = dsn if whose == "ours" else stack.enter_context(callers_pool(dsn))
        stack.enter_context(traffic(dsn))
        store = stack.enter_context(at(given, schema, pool_size=2))
        owner = open_owner(store)
        for number in range(10):
            store.write([NewJob(new_id(), JobRequest("work", f"{number}"))])
            [job] = store.reserve(owner, ["work"], 1)
            assert store.heartbeat([owner], LEASE).alive == {owner}
            assert store.complete(job.reservation, run_often)
        assert store.count().succeeded == 10
        assert store.watch() is None
    check_clean(bouncer)


def test_a_reused_connection_of_the_caller_prepares_nothing(
    bouncer: PgBouncer, debian_dsn: str, schema: str
) -> None:
    with (
        at(debian_dsn, schema) as store,
        traffic(bouncer.dsn),
        psycopg.connect(bouncer.dsn, prepare_threshold=0) as connection,
    ):
        for _ in range(10):
            store.enqueue_in(connection, [JobRequest("work", "{}")])
            connection.commit()
        assert store.count().waiting == 10
    check_clean(bouncer)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_reused_async_connection_prepares_nothing(
    bouncer: PgBouncer, debian_dsn: str, schema: str
) -> None:
    with at(debian_dsn, schema) as store, traffic(bouncer.dsn):
        async with await psycopg.AsyncConnection.connect(
            bouncer.dsn, prepare_threshold=0
        ) as connection:
            for _ in range(10):
                await store.enqueue_in_async(connection, [JobRequest("work", "{}")])
                await connection.commit()
        assert store.count().waiting == 10
    check_clean(bouncer)


def test_a_direct_connection_of_the_caller_prepares_statements(
    debian_dsn: str, schema: str
) -> None:
    with (
        at(debian_dsn, schema) as store,
        psycopg.connect(debian_dsn, prepare_threshold=1) as connection,
    ):
        for _ in range(5):
            store.enqueue_in(connection, [JobRequest("work", "{}")])
        [[prepared]] = connection.execute(
            "select count(*) from pg_prepared_statements where statement ~ 'insert into'"
        ).fetchall()
    assert prepared == 1


def test_behind_a_pooler_queues_poll_and_the_log_says_why_once(
    bouncer: PgBouncer, schema: str, caplog: pytest.LogCaptureFixture
) -> None:
    with at(bouncer.dsn, schema) as store, caplog.at_level(logging.WARNING):
        assert store.watch() is None
        assert store.watch() is None
        [found] = [one for one in store.operations.diagnose() if one.check == "LISTEN"]
    [line] = caplog.messages
    assert line.startswith(f"{store.label}: queues poll: the connection leads through a pooler")
    assert "give listen_dsn=... that leads to the server itself, or listen=False" in line
    assert found.level == "warning"
    assert "through a pooler" in found.text


def test_a_listen_dsn_of_a_pooler_is_not_used(bouncer: PgBouncer, schema: str) -> None:
    with traffic(bouncer.dsn), at(bouncer.dsn, schema, listen_dsn=bouncer.dsn) as store:
        assert store.watch() is None
        [found] = [one for one in store.operations.diagnose() if one.check == "LISTEN"]
    assert "listen_dsn leads to a pooler in transaction mode" in found.text
    check_clean(bouncer)


@pytest.mark.parametrize("mode", ["past the pooler", "session mode"])
def test_a_listen_dsn_with_a_session_of_its_own_is_used(
    bouncer: PgBouncer, debian_dsn: str, schema: str, mode: str
) -> None:
    with ExitStack() as stack:
        listen_dsn = debian_dsn
        if mode == "session mode":
            one = started_pgbouncer(debian_dsn, pool_mode="session")
            listen_dsn = stack.enter_context(one).dsn
        store = stack.enter_context(at(bouncer.dsn, schema, listen_dsn=listen_dsn))
        watcher = store.watch()
        assert watcher is not None
        with closing(watcher):
            store.notify(Notice(frozenset({"mail"})))
            heard: set[str] = set()
            while not heard:
                readable, _, _ = select.select([watcher.fileno()], [], [], _PATIENCE)
                assert readable
                heard |= watcher.poll().workers or set()
        assert heard == {"mail"}


def gathered(connection: psycopg.Connection[Any]) -> list[psycopg.Notify]:
    with warnings.catch_warnings():
        # The driver warns about notices that are discarded.
        warnings.simplefilter("ignore", RuntimeWarning)
        return list(connection.notifies(timeout=0))


def test_notifications_for_another_client_are_not_kept(debian_dsn: str, schema: str) -> None:
    """The session receives them at the end of a transaction of any client."""
    with ExitStack() as stack:
        bouncer = stack.enter_context(started_pgbouncer(debian_dsn, default_pool_size=1))
        name, dsn = named(bouncer.dsn)
        store = stack.enter_context(at(dsn, schema, pool_size=1))
        other = psycopg.connect(bouncer.dsn, autocommit=True, prepare_threshold=None)
        stack.enter_context(other).execute("listen theirs")
        owner = open_owner(store)

        def notified_during(call: Callable[[], object]) -> None:
            """Make it wait for a row meanwhile: an idle session may receive them alone."""
            with psycopg.connect(debian_dsn) as third, ThreadPoolExecutor(1) as thread:
                third.execute(f"select from {schema}.owners for update".encode())
                called = thread.submit(call)
                wait_until_waiting(debian_dsn, name, 1)
                third.execute("notify theirs")
                third.commit()
                called.result(_PATIENCE)

        notified_during(lambda: store.heartbeat([owner], LEASE))
        notified_during(lambda: store.close_owners([owner]))
        with store._database.live.borrowed() as connection:
            assert gathered(connection) == []
        with store._database.live.heartbeat(1.0) as connection:
            assert gathered(connection) == []
