"""The faults of a PostgreSQL server and of its network are injected, and undone."""

import time
from collections.abc import Generator
from pathlib import Path

import psycopg
import pytest

import bgjobs
from bgjobs.errors import StoreUnavailableError
from bgjobs.stores.types import Notice
from tests.fixtures.databases import PostgresSchema
from tests.fixtures.stores import opened
from tests.reliability.chaos.cluster import Cluster, Fault
from tests.reliability.chaos.faults.database import FAULTS, with_short_timeout
from tests.reliability.chaos.faults.idle_cluster import idle_cluster_on, inject_until
from tests.reliability.chaos.postgres.proxy import Proxy
from tests.reliability.chaos.postgres.server import PostgresServer, running_server
from tests.reliability.chaos.settings import inner_store, load

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("database faults"),  # one server for all of them
]

BY_NAME = {fault.name: fault for fault in FAULTS}
NETWORK_FAULTS = ("drop", "delay", "half-open")
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
    return PostgresSchema(server.dsn, "chaos")


def cluster_for(
    fault: Fault, schema: PostgresSchema, folder: Path, server: PostgresServer, proxy: Proxy
) -> Cluster:
    details = {"proxied": proxy.dsn(server.dsn)}
    return idle_cluster_on(schema, folder, fault, server=server, proxy=proxy, details=details)


def answers(dsn: str) -> bool:
    try:
        with psycopg.connect(dsn, connect_timeout=2) as connection:
            return connection.execute("select 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def poll_until_healthy(cluster: Cluster) -> None:
    deadline = time.monotonic() + PATIENCE
    while not (cluster.server.running and cluster.proxy.is_healthy):
        assert time.monotonic() < deadline
        cluster.poll()
        time.sleep(0.01)  # the server starts in a process of its own


def test_only_sessions_of_the_library_are_terminated(
    server: PostgresServer, proxy: Proxy, schema: PostgresSchema, tmp_path: Path
) -> None:
    fault = BY_NAME["terminate"]
    cluster = cluster_for(fault, schema, tmp_path, server, proxy)
    with opened(schema.store()), psycopg.connect(server.dsn, autocommit=True) as mine:
        inject_until(fault, cluster, "terminated sessions")
        assert mine.execute("select 1").fetchone() == (1,)


def test_a_restarted_server_answers_at_once(
    server: PostgresServer, proxy: Proxy, schema: PostgresSchema, tmp_path: Path
) -> None:
    fault = BY_NAME["restart"]
    cluster = cluster_for(fault, schema, tmp_path, server, proxy)
    before = server.pid
    inject_until(fault, cluster, "restarts")
    assert server.pid != before
    assert answers(server.dsn)


def test_a_stopped_server_is_started_later_or_by_undo(
    server: PostgresServer, proxy: Proxy, schema: PostgresSchema, tmp_path: Path
) -> None:
    fault = BY_NAME["outage"]
    cluster = cluster_for(fault, schema, tmp_path, server, proxy)
    inject_until(fault, cluster, "outages")
    assert not answers(server.dsn)
    for other in FAULTS[:3]:
        other.inject(cluster)
    poll_until_healthy(cluster)
    assert answers(server.dsn)
    inject_until(fault, cluster, "outages")
    cluster.forget_pending()
    fault.undo(cluster)
    assert answers(server.dsn)


@pytest.mark.parametrize("name", NETWORK_FAULTS)
def test_a_network_fault_ends_later_or_by_undo(
    name: str, server: PostgresServer, proxy: Proxy, schema: PostgresSchema, tmp_path: Path
) -> None:
    fault = BY_NAME[name]
    cluster = cluster_for(fault, schema, tmp_path, server, proxy)
    assert cluster.settings.location == proxy.dsn(server.dsn)
    assert [load(one) for one in cluster.settings.config_hooks] == [with_short_timeout]
    inject_until(fault, cluster, name)
    fault.inject(cluster)
    assert cluster.counts[name] == 1
    poll_until_healthy(cluster)
    assert answers(cluster.settings.location)
    inject_until(fault, cluster, name)
    cluster.forget_pending()
    fault.undo(cluster)
    assert answers(cluster.settings.location)


def test_no_fault_is_injected_into_a_server_that_was_given(
    server: PostgresServer, schema: PostgresSchema, tmp_path: Path
) -> None:
    before = server.pid
    for fault in FAULTS:
        cluster = idle_cluster_on(schema, tmp_path, fault)
        for _ in range(20):
            fault.inject(cluster)
        fault.undo(cluster)
        assert cluster.settings.location == server.dsn
        assert not cluster.counts
    assert server.pid == before


def test_workers_give_up_calls_without_an_answer(
    server: PostgresServer, proxy: Proxy, schema: PostgresSchema, tmp_path: Path
) -> None:
    cluster = cluster_for(BY_NAME["half-open"], schema, tmp_path, server, proxy)
    [config_hooks] = cluster.settings.config_hooks

    @bgjobs.worker
    async def work() -> None: ...

    config = bgjobs.Config(store=cluster.settings.store(), enqueue_only=[work])
    assert load(config_hooks)(config, cluster.settings) is config
    store = inner_store(config)
    store.open()
    try:
        store.notify(Notice(frozenset({"work"})))
        proxy.discard()
        begun = time.monotonic()
        with pytest.raises(StoreUnavailableError):
            store.notify(Notice(frozenset({"work"})))
        assert time.monotonic() - begun < PATIENCE
    finally:
        proxy.heal()
        store.close()
