"""The server can be stopped and crashed, keeps committed rows, and its check finds damage."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import psycopg
import pytest

from tests.reliability.chaos.postgres.proxy import Proxy
from tests.reliability.chaos.postgres.server import PostgresServer, running_server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("crashed server"),  # one for all of them
]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with running_server() as server:
        yield server


@pytest.fixture
def table(server: PostgresServer) -> Iterator[str]:
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("create table things (id int primary key, name text)")
        connection.execute("create index named on things (name) where name is not null")
    yield "things"
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("drop table things")


@contextmanager
def autocommitting(dsn: str) -> Iterator["psycopg.Connection[tuple[int]]"]:
    connection = psycopg.connect(dsn, autocommit=True)
    try:
        yield connection
    finally:
        connection.close()


def test_committed_rows_outlive_an_immediate_restart(
    server: PostgresServer, table: str
) -> None:
    with autocommitting(server.dsn) as connection:
        connection.execute("insert into things select n from generate_series(1, 1000) n")
        before = server.pid
        server.restart_immediately()
        assert server.pid != before
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
    with autocommitting(server.dsn) as connection:
        assert connection.execute("select count(*) from things").fetchone() == (1000,)


def test_a_stopped_server_refuses_connections_until_it_is_started(
    server: PostgresServer,
) -> None:
    assert server.running
    server.stop()
    assert not server.running
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.dsn)
    server.start()
    with autocommitting(server.dsn) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_only_sessions_of_the_given_name_are_terminated(server: PostgresServer) -> None:
    named = f"{server.dsn}&application_name=victim"
    with autocommitting(named) as victim, autocommitting(server.dsn) as other:
        assert server.terminate_backends(Random(1), like="vic%") == 1
        with pytest.raises(psycopg.OperationalError):
            victim.execute("select 1")
        assert other.execute("select 1").fetchone() == (1,)
        assert server.terminate_backends(Random(1), like="nothing") == 0


def test_a_sound_server_has_no_damage(server: PostgresServer, table: str) -> None:
    with autocommitting(server.dsn) as connection:
        connection.execute(
            "insert into things select n, 'x' || n from generate_series(1, 99) n"
        )
        connection.execute("update things set name = null where id < 50")
    assert server.check() == []


def test_an_index_that_lacks_a_row_is_found(server: PostgresServer, table: str) -> None:
    with autocommitting(server.dsn) as connection:
        connection.execute("insert into things values (1, 'x')")
        connection.execute(
            "update pg_index set indisready = false where indexrelid = 'named'::regclass"
        )
        connection.execute("insert into things values (2, 'y')")
        connection.execute(
            "update pg_index set indisready = true where indexrelid = 'named'::regclass"
        )
    [wrong] = server.check()
    assert wrong.startswith("named: ")


def test_the_proxy_connects_to_the_server(server: PostgresServer) -> None:
    with Proxy(server.socket) as proxy:
        with autocommitting(proxy.dsn(server.dsn)) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
            proxy.drop()
            with pytest.raises(psycopg.OperationalError):
                connection.execute("select 1")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(proxy.dsn(server.dsn))


def test_the_server_ends_when_the_process_that_started_it_is_killed() -> None:
    program = (
        "from tests.reliability.chaos.postgres.server import running_server\n"
        "with running_server() as server:\n"
        "    print(server.pid, server.socket, flush=True)\n"
        "    input()\n"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[4],
    )
    assert starter.stdout is not None
    pid, place = starter.stdout.readline().split()
    starter.kill()
    starter.communicate()
    deadline = time.monotonic() + 60
    while Path(place).exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < deadline:
            os.kill(int(pid), signal.SIG_DFL)
