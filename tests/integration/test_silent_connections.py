"""Connections that stay open without an answer: calls end, listeners are replaced, jobs run."""

from collections.abc import Callable, Generator
from datetime import timedelta
from time import monotonic
from typing import Any, cast

import anyio
import pytest
from psycopg_pool import ConnectionPool

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._runtime import lifecycle
from bgjobs._runtime.notifications import listener
from bgjobs._runtime.persistence.dispatch import LONGEST_RETRY
from bgjobs.errors import StoreUnavailableError
from bgjobs.events import OwnerDied, StoreFailed
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.types import NewJob, Notice
from bgjobs.testing import Recorder
from bgjobs.testing.contract.steps import listed
from tests.fixtures.postgres import schema_of
from tests.fixtures.postgres_jobs import open_owner, reserve_one
from tests.reliability.chaos.postgres.proxy import Proxy, target_of
from tests.runtime.conftest import Wrapped

TIMEOUT = 0.5
"""The timeout of a call in seconds."""
LENIENT = 20
"""The factor by which a busy machine may take longer."""
PATIENCE = 60.0
"""Seconds that a test may take."""


@pytest.fixture
def proxy(postgres_dsn: str) -> Generator[Proxy]:
    with Proxy(target_of(postgres_dsn)) as proxy:
        yield proxy


@pytest.fixture
def silenced(store: PostgresStore, proxy: Proxy, postgres_dsn: str) -> Generator[PostgresStore]:
    """A store on the same schema, through the proxy."""
    silenced = store_through(proxy, store, postgres_dsn)
    silenced.open()
    yield silenced
    proxy.heal()
    silenced.close()


def store_through(
    proxy: Proxy, store: PostgresStore, dsn: str, **options: Any
) -> PostgresStore:
    dsn = proxy.dsn(dsn)
    return PostgresStore(dsn, schema=schema_of(store), call_timeout=TIMEOUT, **options)


def listening_through(proxy: Proxy, store: PostgresStore, dsn: str) -> PostgresStore:
    """Return a store of which only the listener uses the proxy."""
    return PostgresStore(dsn, schema=schema_of(store), listen_dsn=proxy.dsn(dsn))


VERBS: dict[str, Callable[[PostgresStore], object]] = {
    "a statement alone": lambda store: store.count(),
    "a transaction": lambda store: store.prune("failed", timedelta(1), limit=1),
    "a heartbeat": lambda store: store.heartbeat([], timedelta(minutes=1)),
    "a notification": lambda store: store.notify(Notice(frozenset({"work"}))),
}


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS.keys())
def test_a_call_without_an_answer_times_out_and_the_next_one_works(
    silenced: PostgresStore, proxy: Proxy, verb: Callable[[PostgresStore], object]
) -> None:
    verb(silenced)
    proxy.discard()
    begun = monotonic()
    with pytest.raises(StoreUnavailableError, match=f"no answer within {TIMEOUT:g} s"):
        verb(silenced)
    assert TIMEOUT <= monotonic() - begun < LENIENT * TIMEOUT
    proxy.heal()
    verb(silenced)


def test_a_completion_without_an_answer_times_out(
    silenced: PostgresStore, store: PostgresStore, proxy: Proxy
) -> None:
    job = reserve_one(silenced)
    with pytest.raises(StoreUnavailableError, match=f"no answer within {TIMEOUT:g} s"):
        silenced.complete(job.reservation, lambda _: proxy.discard())
    assert store.find(job.id) == job
    proxy.heal()
    assert silenced.complete(job.reservation, lambda _: None)


def test_a_new_connection_without_an_answer_times_out(
    store: PostgresStore, proxy: Proxy, postgres_dsn: str
) -> None:
    """The first call on it has a deadline, though the work of `complete` has none."""
    job = reserve_one(store)
    schema = schema_of(store)
    with ConnectionPool(proxy.dsn(postgres_dsn), min_size=1, max_size=1, open=True) as pool:
        pool.wait()
        fresh = PostgresStore(pool, schema=schema, call_timeout=TIMEOUT)
        fresh.open()
        proxy.discard()
        with pytest.raises(StoreUnavailableError, match=f"no answer within {TIMEOUT:g} s"):
            fresh.complete(job.reservation, lambda _: None)
        proxy.heal()
        assert fresh.complete(job.reservation, lambda _: None)
        fresh.close()


def test_a_heartbeat_waits_for_a_quarter_of_the_lease_at_most(
    silenced: PostgresStore, proxy: Proxy
) -> None:
    owner, lease = open_owner(silenced), timedelta(seconds=TIMEOUT)
    silenced.heartbeat([owner], lease)
    proxy.discard()
    with pytest.raises(StoreUnavailableError, match=f"no answer within {TIMEOUT / 4:g} s"):
        silenced.heartbeat([owner], lease)


@pytest.mark.trio
async def test_a_lease_outlives_connections_without_an_answer(
    store: PostgresStore, proxy: Proxy, postgres_dsn: str
) -> None:
    recorder = Recorder()
    begun, ended = anyio.Event(), anyio.Event()

    def beats_that_failed() -> int:
        return sum(one.verb == "heartbeat" for one in recorder.of(StoreFailed))

    def lease_ends_at() -> float:
        [owner] = store.operations.get_owners()
        return monotonic() + owner.lease_left.total_seconds()

    @bgjobs.worker
    async def work() -> None:
        begun.set()
        await ended.wait()

    config = bgjobs.Config(
        store=store_through(proxy, store, postgres_dsn),
        queues=[bgjobs.Queue("all", workers=[work])],
        listeners=[recorder],
        lease=20.0,  # so long that it does not end on a busy machine
        heartbeat_interval=0.5,
    )
    with anyio.fail_after(PATIENCE):
        async with bgjobs.run(config) as bg:
            await bg.enqueue(work.request())
            await begun.wait()  # the answer of the reservation has arrived
            for silence in range(3):
                proxy.discard(new=False)
                while beats_that_failed() <= silence:
                    await anyio.sleep(0.01)
                end = lease_ends_at()
                while lease_ends_at() < end + config.heartbeat_interval / 2:
                    await anyio.sleep(0.01)
            ended.set()
            assert await bg.drain(with_delayed=True)
    [done] = listed(store, "succeeded")
    assert (done.interruptions, done.crashes, done.reservations) == (0, 0, 1)
    assert not recorder.of(OwnerDied)


@pytest.mark.trio
async def test_an_application_ends_though_the_server_does_not_answer(
    store: PostgresStore, proxy: Proxy, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "RELEASE_TIMEOUT", 1.0)

    @bgjobs.worker
    async def work() -> None:
        await anyio.sleep_forever()

    config = bgjobs.Config(
        store=store_through(proxy, store, postgres_dsn),
        queues=[bgjobs.Queue("all", workers=[work])],
        lease=2.0,
        grace=TIMEOUT,
        store_timeout=1.0,
    )
    with anyio.fail_after(PATIENCE):
        async with bgjobs.run(config) as bg:
            await bg.enqueue(work.request())
            while not listed(store, "running"):
                await anyio.sleep(0.01)
            proxy.discard()
            begun = monotonic()
        assert (
            monotonic() - begun < config.grace + lifecycle.RELEASE_TIMEOUT + LENIENT * TIMEOUT
        )


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> float:
    """Shorten the time without notifications after which a listener is probed."""
    silence = 0.3
    monkeypatch.setattr(listener, "LISTENER_TIMEOUT", silence)
    return silence


def test_a_listener_without_an_answer_is_noticed_within_half_a_minute() -> None:
    assert 2 * listener.LISTENER_TIMEOUT + LONGEST_RETRY <= 30


@pytest.mark.trio
async def test_a_listener_without_an_answer_is_replaced(
    store: PostgresStore, proxy: Proxy, postgres_dsn: str, deaf: float
) -> None:
    recorder = Recorder()
    ran: list[int] = []

    @bgjobs.worker
    async def work(number: int) -> None:
        ran.append(number)

    config = bgjobs.Config(
        store=listening_through(proxy, store, postgres_dsn),
        queues=[bgjobs.Queue("all", workers=[work], poll_interval=1000)],
        listeners=[recorder],
    )
    with anyio.fail_after(PATIENCE):
        async with bgjobs.run(config):
            while not proxy.connections:
                await anyio.sleep(0.01)
            await anyio.sleep(deaf)
            proxy.discard(new=False)
            store.write([NewJob(new_id(), work.request(1))])
            store.notify(Notice(frozenset({"work"})))
            while not ran:
                await anyio.sleep(0.01)
            store.write([NewJob(new_id(), work.request(2))])
            while proxy.connections != 2:
                await anyio.sleep(0.01)
            store.notify(Notice(frozenset({"work"})))
            while len(ran) < 2:
                await anyio.sleep(0.01)
    assert ran == [1, 2]
    failed = [one for one in recorder.of(StoreFailed) if one.verb == "watch"]
    assert "change notifications stopped" in str(failed[0].error)


@pytest.mark.trio
async def test_a_listener_that_receives_only_its_own_probes_is_not_replaced(
    store: PostgresStore, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "LISTENER_TIMEOUT", 1.5)
    recorder, sounds = Recorder(), list[Notice]()
    real = PostgresStore(postgres_dsn, schema=schema_of(store))

    def notify(notice: Notice) -> None:
        real.notify(notice)
        sounds.append(notice)

    @bgjobs.worker
    async def work() -> None: ...

    config = bgjobs.Config(
        store=cast("bgjobs.Store", Wrapped(real, notify=notify)),
        queues=[bgjobs.Queue("all", workers=[work])],
        listeners=[recorder],
    )
    with anyio.fail_after(PATIENCE):
        async with bgjobs.run(config):
            while (
                len(sounds) < 3
            ):  # the first two probes were received, or it would be replaced
                await anyio.sleep(0.01)
    assert set(sounds) == {Notice()}
    assert not recorder.of(StoreFailed)


@pytest.mark.trio
async def test_polling_bounds_the_delay_until_a_dead_listener_is_noticed(
    store: PostgresStore, proxy: Proxy, postgres_dsn: str
) -> None:
    poll_interval = 0.25
    ran = anyio.Event()

    @bgjobs.worker
    async def work() -> None:
        ran.set()

    config = bgjobs.Config(
        store=listening_through(proxy, store, postgres_dsn),
        queues=[bgjobs.Queue("all", workers=[work], poll_interval=poll_interval)],
    )
    with anyio.fail_after(PATIENCE):
        async with bgjobs.run(config):
            while not proxy.connections:
                await anyio.sleep(0.01)
            proxy.discard()
            begun = monotonic()
            store.write([NewJob(new_id(), work.request())])
            store.notify(Notice(frozenset({"work"})))
            await ran.wait()
            assert monotonic() - begun < listener.LISTENER_TIMEOUT
            proxy.heal()
