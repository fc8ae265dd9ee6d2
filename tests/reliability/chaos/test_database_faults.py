"""The faults of a PostgreSQL server do what they say, and undo it."""

import time
from collections.abc import Generator
from pathlib import Path

import psycopg
import pytest

import bgjobs
from bgjobs.errors import StoreUnavailableError
from tests.fixtures.databases import PostgresSchema
from tests.reliability.chaos.arena import Arena
from tests.reliability.chaos.arenas import arena_on, strike_until
from tests.reliability.chaos.dressing import inner_store
from tests.reliability.chaos.faults import Fault
from tests.reliability.chaos.faults.database import FAULTS, impatient
from tests.reliability.chaos.named import named
from tests.reliability.chaos.proxy import Proxy
from tests.reliability.chaos.server import PostgresServer, running_server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("database faults"),  # one server for all of them
]

BY_NAME = {fault.name: fault for fault in FAULTS}
ON_THE_WAY = ("drop", "delay", "half-open")
PATIENCE = 60.0


@pytest.fixture(scope="module")
def server() -> Generator[PostgresServer]:
    with running_server() as server:
        yield server


@pytest.fixture
def proxy(server: PostgresServer) -> Generator[Proxy]:
    with Proxy(server.socket) as proxy:
        yield proxy


@pytest.fixture
def schema(server: PostgresServer) -> PostgresSchema:
    return PostgresSchema(server.dsn, "storm")


def arena_for(
    fault: Fault, schema: PostgresSchema, folder: Path, server: PostgresServer, proxy: Proxy
) -> Arena:
    details = {"proxied": proxy.dsn(server.dsn)}
    return arena_on(schema, folder, fault, server=server, proxy=proxy, details=details)


def answers(dsn: str) -> bool:
    try:
        with psycopg.connect(dsn, connect_timeout=2) as connection:
            return connection.execute("select 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def tend_until_healthy(arena: Arena) -> None:
    deadline = time.monotonic() + PATIENCE
    while not (arena.server.running and arena.proxy.is_healthy):
        assert time.monotonic() < deadline
        arena.tend()
        time.sleep(0.01)


def test_only_sessions_of_the_library_are_ended(
    server: PostgresServer, proxy: Proxy, schema: PostgresSchema, tmp_path: Path
) -> None:
    fault = BY_NAME["terminate"]
    arena = arena_for(fault, schema, tmp_path, server, proxy)
    store = schema.store()
    store.open()
    try:
        with psycopg.connect(server.dsn, autocommit=True) as mine:
            strike_until(fault, arena, "terminated sessions")
            assert mine.execute("select 1").fetchone() == (1,)
    finally:
        store.close()


def test_a_restarted_server_answers_at_once(
    server: PostgresServer, proxy: Proxy, schema: PostgresSchema, tmp_path: Path
) -> None:
    fault = BY_NAME["restart"]
    arena = arena_for(fault, schema, tmp_path, server, proxy)
    before = server.pid
    strike_until(fault, arena, "restarts")
    assert server.pid != before
    assert answers(server.dsn)


def test_a_stopped_server_comes_back_by_itself_or_at_the_end(
    server: PostgresServer, proxy: Proxy, schema: PostgresSchema, tmp_path: Path
) -> None:
    fault = BY_NAME["outage"]
    arena = arena_for(fault, schema, tmp_path, server, proxy)
    strike_until(fault, arena, "outages")
    assert not answers(server.dsn)
    for other in FAULTS[:3]:
        other.strike(arena)
    tend_until_healthy(arena)
    assert answers(server.dsn)
    strike_until(fault, arena, "outages")
    arena.forget_plans()
    fault.end(arena)
    assert answers(server.dsn)


@pytest.mark.parametrize("name", ON_THE_WAY)
def test_the_way_is_healed_by_itself_or_at_the_end(
    name: str, server: PostgresServer, proxy: Proxy, schema: PostgresSchema, tmp_path: Path
) -> None:
    fault = BY_NAME[name]
    arena = arena_for(fault, schema, tmp_path, server, proxy)
    assert arena.orders.place == proxy.dsn(server.dsn)
    assert [named(one) for one in arena.orders.dress] == [impatient]
    strike_until(fault, arena, name)
    fault.strike(arena)
    assert arena.counts[name] == 1
    tend_until_healthy(arena)
    assert answers(arena.orders.place)
    strike_until(fault, arena, name)
    arena.forget_plans()
    fault.end(arena)
    assert answers(arena.orders.place)


def test_a_server_that_was_given_is_left_alone(
    server: PostgresServer, schema: PostgresSchema, tmp_path: Path
) -> None:
    before = server.pid
    for fault in FAULTS:
        arena = arena_on(schema, tmp_path, fault)
        for _ in range(20):
            fault.strike(arena)
        fault.end(arena)
        assert arena.orders.place == server.dsn
        assert not arena.counts
    assert server.pid == before


def test_workers_give_up_calls_that_nobody_answers(
    server: PostgresServer, proxy: Proxy, schema: PostgresSchema, tmp_path: Path
) -> None:
    arena = arena_for(BY_NAME["half-open"], schema, tmp_path, server, proxy)
    [dress] = arena.orders.dress

    @bgjobs.worker
    async def work() -> None: ...

    config = bgjobs.Config(store=arena.orders.store(), enqueue_only=[work])
    assert named(dress)(config, arena.orders) is config
    store = inner_store(config)
    store.open()
    try:
        store.notify(["work"])
        proxy.swallow()
        begun = time.monotonic()
        with pytest.raises(StoreUnavailableError):
            store.notify(["work"])
        assert time.monotonic() - begun < PATIENCE
    finally:
        proxy.heal()
        store.close()
