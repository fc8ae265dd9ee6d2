"""Servers that refuse: read-only, full, or without a free connection."""

import shutil
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from secrets import token_hex
from typing import Protocol, final

import anyio
import psycopg
import pytest
from anyio.to_thread import run_sync
from psycopg.conninfo import make_conninfo

import bgjobs
from bgjobs.errors import StoreUnavailableError
from bgjobs.events import ChildCrashed, JobSucceeded, RestartLimitExceeded, StoreFailed
from bgjobs.testing import Recorder
from tests.field.applications import check_work, effect, make_table, running
from tests.fixtures.debian import OWNER, Cluster, started_cluster
from tests.reliability.chaos.faults.disk import SmallDisk, can_mount

pytestmark = pytest.mark.anyio

MOST_REFUSALS = 15
"""The most calls in ten seconds."""
MANY = 1_000
"""More jobs of half a megabyte than a small disk can store."""
CONNECTIONS = 20
_FULL = """
create function bgjobs.refuse_for_want_of_room() returns trigger language plpgsql as $$
begin
    raise sqlstate '53100' using message = 'could not extend file: No space left on device';
end $$
"""


@pytest.fixture
def server() -> Generator[Cluster]:
    """A server for one test, used by a role without special rights."""
    reserved = "superuser_reserved_connections=3"
    with started_cluster(f"max_connections={CONNECTIONS}", reserved) as cluster:
        make_table(cluster.dsn)
        cluster.ask("create role app login")
        cluster.ask("grant all on schema bgjobs to app")
        cluster.ask("grant all on all tables in schema bgjobs to app")
        yield cluster


def as_app(cluster: Cluster) -> str:
    return make_conninfo(cluster.dsn, user="app")


async def test_a_read_only_server_sees_few_writes_and_work_resumes_soon(
    server: Cluster, measured: Callable[[str, float], None]
) -> None:
    recorder, dsn = Recorder(), as_app(server)
    async with running(dsn, recorder) as bg:
        await check_work(bg, dsn)
        await bg.enqueue(effect.request(5).available_in(seconds=1))
        await run_sync(server.set, "default_transaction_read_only = on")
        await recorder.wait_for(StoreFailed)  # of the write for the job that is due
        recorder.clear()
        await anyio.sleep(10)
        refused = [event for event in recorder.of(StoreFailed) if "25006" in str(event.error)]
        assert 3 <= len(refused) <= MOST_REFUSALS
        await run_sync(take_writes, server)
        begun = anyio.current_time()
        await recorder.wait_for(JobSucceeded)
        measured(
            "until a job had ended on a server that takes writes again",
            anyio.current_time() - begun,
        )
        await check_work(bg, dsn, first=6)
    assert recorder.of(ChildCrashed) == []


def take_writes(server: Cluster) -> None:
    with psycopg.connect(
        server.dsn, autocommit=True, options="-c default_transaction_read_only=off"
    ) as admin:
        admin.execute("alter system reset default_transaction_read_only")
        admin.execute("select pg_reload_conf()")


async def test_an_application_waits_for_a_server_without_a_free_connection(
    server: Cluster,
) -> None:
    recorder, dsn = Recorder(), as_app(server)
    async with running(dsn, recorder) as bg:
        await check_work(bg, dsn)
        with all_connections_of(server, dsn):
            job = None
            with pytest.raises(TimeoutError), anyio.fail_after(1):
                job = await bg.enqueue(effect.request(100))
            assert job is None
            await recorder.wait_for(StoreFailed)
        await check_work(bg, dsn, first=5)
    assert recorder.of(RestartLimitExceeded) == []


@contextmanager
def all_connections_of(server: Cluster, dsn: str) -> Generator[None]:
    """Use up all connections of the server."""
    with ExitStack() as stack:
        others = (
            "select count(pg_terminate_backend(pid, 10000)) from pg_stat_activity "
            "where application_name = 'bgjobs'"
        )
        mine = make_conninfo(dsn, application_name="mine")
        while True:
            try:
                stack.enter_context(psycopg.connect(mine, autocommit=True))
            except (
                psycopg.OperationalError
            ):  # expected, unless other clients are still connected
                if server.ask(others) == [(0,)]:
                    break
        yield


class Room(Protocol):
    """The storage of a server."""

    def fill(self) -> None: ...
    def empty(self) -> None: ...


@final
class Pretended:
    """An error like that of a full disk, for machines where no disk can be mounted."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._ask(_FULL)

    def fill(self) -> None:
        self._ask(
            "create trigger full_disk before insert on bgjobs.jobs "
            "execute function bgjobs.refuse_for_want_of_room()"
        )

    def empty(self) -> None:
        self._ask("drop trigger full_disk on bgjobs.jobs")

    def _ask(self, statement: str) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute(statement.encode())


@pytest.fixture
def small(debian_dsn: str) -> Generator[tuple[str, Room]]:
    """A database on a small disk."""
    with ExitStack() as stack:
        disk = SmallDisk() if can_mount() else None
        place = "pg_default"
        admin = stack.enter_context(psycopg.connect(debian_dsn, autocommit=True))
        if disk is not None:
            stack.callback(disk.close)
            shutil.chown(disk.folder, OWNER)  # this process is root, as it has mounted the disk
            place = "small"
            admin.execute(f"create tablespace small location '{disk.folder}'".encode())
            stack.callback(admin.execute, b"drop tablespace small")
        admin.execute(f"create database small tablespace {place}".encode())
        stack.callback(admin.execute, b"drop database small with (force)")
        dsn = make_conninfo(debian_dsn, dbname="small")
        make_table(dsn)
        yield dsn, disk or Pretended(dsn)


async def test_a_full_server_keeps_all_acknowledged_jobs(
    small: tuple[str, Room],
) -> None:
    dsn, room = small
    recorder, acknowledged = Recorder(), list[bgjobs.Job]()
    async with running(dsn, recorder, store_timeout=1.0) as bg:
        await check_work(bg, dsn)
        await run_sync(room.fill)
        with pytest.raises(StoreUnavailableError, match="53100"):
            for number in range(MANY):
                large = effect.request(number, token_hex(250_000)).available_in(days=1)
                acknowledged.append(await bg.enqueue(large))
        await run_sync(room.empty)
        await check_work(bg, dsn, first=5)
        for job in acknowledged:
            assert await bg.find(job.id) == job
        assert (await bg.count()).delayed in {len(acknowledged), len(acknowledged) + 1}
    assert recorder.of(RestartLimitExceeded) == []
