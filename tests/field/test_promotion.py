"""A standby is promoted while jobs run: each acknowledged job has one effect, soon after.

The standby is a synchronous one: what its primary has acknowledged, it has, too.
"""

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from typing import Any, final

import anyio
import psycopg
import pytest
from anyio.to_thread import run_sync
from psycopg.conninfo import make_conninfo
from psycopg_pool import ConnectionPool

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs.errors import LeaseLostError
from bgjobs.events import ChildCrashed, JobReserved, JobSucceeded
from bgjobs.stores.types import NewJob, Notice
from bgjobs.testing import Recorder
from tests.fixtures.debian import Cluster, started_cluster, started_standby
from tests.fixtures.stores import opened

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.xdist_group("promotion"),  # one at a time, since they measure time
]

PATIENCE = 120.0
"""Seconds that a step may take."""
SOON = 2.0
"""Seconds within which jobs run again after a promotion, on an idle machine."""
ROUNDS = 20
"""The number of jobs that take as long as the work of a resumption, such as connecting."""
MANY = 50
"""The number of jobs before the promotion, and after it."""
NEVER = 1000.0
"""A poll interval in seconds so long that only a notification starts a job."""
WHAT = "from the promotion until a new job had ended"
OURS = "select count(*) from pg_stat_activity where application_name = 'bgjobs'"


@pytest.fixture
def old() -> Generator[Cluster]:
    """The first primary."""
    with started_cluster() as cluster:
        cluster.ask("create table effects (number int)")
        yield cluster


@pytest.fixture
def new(old: Cluster) -> Generator[Cluster]:
    """Its standby, which is promoted."""
    with started_standby(old) as cluster:
        old.set("synchronous_standby_names = '*'")
        old.wait_for("select sync_state from pg_stat_replication", "sync")
        yield cluster


def both(*clusters: Cluster) -> str:
    """Return a connection string of both, which selects the one that accepts writes."""
    parts = [psycopg.conninfo.conninfo_to_dict(cluster.dsn) for cluster in clusters]
    hosts, ports = (",".join(str(one[name]) for one in parts) for name in ("host", "port"))
    return make_conninfo(clusters[0].dsn, host=hosts, port=ports)


@bgjobs.worker
async def effect(context: bgjobs.JobContext, number: int) -> None:
    def write(connection: psycopg.Connection[Any]) -> None:
        connection.execute("insert into effects values (%s)", [number])

    context.complete_with(write)


@final
class Producer:
    """Enqueues one job after another until it is stopped."""

    def __init__(self, bg: bgjobs.BgJobs) -> None:
        self._bg = bg
        self._stopped = False
        self._ended = anyio.Event()
        self.acknowledged: list[int] = []
        self.usual = 0.0
        """The seconds of a job under the present load of the machine."""

    async def run(self) -> None:
        for number in range(1_000_000):
            if self._stopped:
                break
            await self._bg.enqueue(effect.request(number))
            self.acknowledged.append(number)
            await anyio.sleep(0.005)
        self._ended.set()

    async def finish(self, recorder: Recorder) -> None:
        """Enqueue some more jobs, and wait until all acknowledged ones have ended."""
        await recorder.wait_for(JobSucceeded, len(recorder.of(JobSucceeded)) + MANY)
        self._stopped = True
        await self._ended.wait()
        assert await self._bg.drain(with_delayed=True)


@asynccontextmanager
async def at_work(given: Any, recorder: Recorder, **settings: Any) -> AsyncGenerator[Producer]:
    """Run an application whose queue depends on notifications."""
    config = bgjobs.Config(
        store=bgjobs.PostgresStore(given, pool_size=3),
        queues=[bgjobs.Queue("effects", workers=[effect], concurrency=4, poll_interval=NEVER)],
        listeners=[recorder],
        **settings,
    )
    with anyio.fail_after(PATIENCE):
        async with bgjobs.run(config) as bg, anyio.create_task_group() as group:
            producer, begun = Producer(bg), anyio.current_time()
            group.start_soon(producer.run)
            await recorder.wait_for(JobSucceeded, MANY)
            producer.usual = (anyio.current_time() - begun) / MANY
            yield producer
            group.cancel_scope.cancel()


def crash(old: Cluster) -> None:
    old.crash()


def fence(old: Cluster) -> None:
    """Keep the old primary running, but read-only."""
    old.set("default_transaction_read_only = on")


ENDINGS = {"crashed": crash, "read-only": fence}


async def promoted(
    old: Cluster, new: Cluster, recorder: Recorder, ending: str, outage: float
) -> float:
    """Promote the standby after the end of its primary; return the seconds without jobs."""
    await run_sync(ENDINGS[ending], old)
    await anyio.sleep(outage)
    reserved = len(recorder.of(JobReserved))
    begun = anyio.current_time()
    await run_sync(new.promote)
    first = (await recorder.wait_for(JobReserved, reserved + 1))[reserved].job
    while first.id not in {event.job.id for event in recorder.of(JobSucceeded)}:
        await anyio.sleep(0.01)
    return anyio.current_time() - begun


def enqueue_elsewhere(cluster: Cluster, number: int) -> None:
    """Store a job, as another process would."""
    with opened(bgjobs.PostgresStore(cluster.dsn)) as store:
        store.write([NewJob(new_id(), effect.request(number))])
        store.notify(Notice(frozenset({effect.name})))


def check_effects(cluster: Cluster, acknowledged: list[int]) -> None:
    found = cluster.ask("select number, count(*) from effects group by number order by number")
    assert found == [(number, 1) for number in acknowledged]


@pytest.mark.parametrize("outage", [0.0, 5.0])
@pytest.mark.parametrize("ending", ENDINGS)
async def test_each_acknowledged_job_has_one_effect_and_work_resumes_soon(
    old: Cluster,
    new: Cluster,
    ending: str,
    outage: float,
    measured: Callable[[str, float], None],
) -> None:
    recorder = Recorder()
    async with at_work(both(old, new), recorder) as producer:
        seconds = await promoted(old, new, recorder, ending, outage)
        measured(WHAT, seconds)
        await producer.finish(recorder)
        await run_sync(new.wait_for, f"{OURS} and query ~* '^listen'", 1)
        await run_sync(enqueue_elsewhere, new, len(producer.acknowledged))
        effects = len(producer.acknowledged) + 1
        await run_sync(new.wait_for, "select count(*) from effects", effects)
        if ending == "read-only":
            await run_sync(old.wait_for, OURS, 0)
    check_effects(new, [*producer.acknowledged, len(producer.acknowledged)])
    assert recorder.of(ChildCrashed) == []
    assert seconds < SOON + ROUNDS * producer.usual


async def test_an_outage_longer_than_the_lease_duplicates_no_effect(
    old: Cluster, new: Cluster, measured: Callable[[str, float], None]
) -> None:
    recorder = Recorder()
    async with at_work(both(old, new), recorder, lease=2.0) as producer:
        seconds = await promoted(old, new, recorder, "crashed", 6.0)
        measured(WHAT, seconds)
        await producer.finish(recorder)
    check_effects(new, producer.acknowledged)
    crashes = {type(event.error) for event in recorder.of(ChildCrashed)}
    assert crashes == {LeaseLostError}
    assert seconds < SOON + ROUNDS * producer.usual


async def test_a_pool_of_the_caller_reconnects_at_its_own_pace(
    old: Cluster, new: Cluster, measured: Callable[[str, float], None]
) -> None:
    dsn = make_conninfo(both(old, new), target_session_attrs="read-write")
    recorder = Recorder()
    with ConnectionPool(dsn, min_size=1, max_size=3, open=True) as pool:
        async with at_work(pool, recorder) as producer:
            seconds = await promoted(old, new, recorder, "crashed", 3.0)
            measured(f"{WHAT}, in a pool of the caller's", seconds)
            await producer.finish(recorder)
    check_effects(new, producer.acknowledged)


async def test_an_application_that_only_reads_leaves_a_read_only_server(
    old: Cluster, new: Cluster
) -> None:
    """It makes no write whose error would show that the server has changed."""
    config = bgjobs.Config(
        store=bgjobs.PostgresStore(both(old, new), pool_size=2), enqueue_only=[effect]
    )
    with anyio.fail_after(PATIENCE):
        async with bgjobs.run(config) as bg:
            assert (await bg.count()).waiting == 0
            await run_sync(fence, old)
            await run_sync(new.promote)
            await bg.count()  # its answer shows that the server is read-only
            await run_sync(enqueue_elsewhere, new, 0)
            assert (await bg.count()).waiting == 1
    await run_sync(old.wait_for, OURS, 0)  # the server notices a closed connection later
