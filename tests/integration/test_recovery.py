"""Recovery without intervention: from a killed process, a poison job, an outage and a crash."""

import signal
from collections.abc import Generator
from pathlib import Path

import pytest

import bgjobs
from bgjobs.stores.types import Counts
from bgjobs.testing.contract.steps import listed
from tests.fixtures.databases import Database, PostgresSchema
from tests.fixtures.postgres import random_schema
from tests.integration.recovery import Recovery, die, hang, note, wait_until
from tests.reliability.chaos.postgres.server import PostgresServer, running_server
from tests.reliability.chaos.settings import monotonic

LEASE = 1.0
BOUND = 30.0
"""Seconds within which the job of a killed worker runs again, with these settings."""
LENIENT = 20
"""The factor by which a busy machine may take longer."""
on_one_server = pytest.mark.xdist_group("recovery on one server")


@pytest.fixture(scope="module")
def server() -> Generator[PostgresServer]:
    """A server that the tests stop and crash."""
    with running_server() as server:
        yield server


@pytest.fixture
def on_server(server: PostgresServer) -> PostgresSchema:
    """A schema of the server."""
    return PostgresSchema(server.dsn, random_schema())


def ended(counts: Counts) -> int:
    return counts.succeeded + counts.failed + counts.cancelled


@pytest.mark.slow
def test_a_killed_workers_job_runs_again_soon(database: Database, tmp_path: Path) -> None:
    with Recovery(database, tmp_path, settings={"lease": LEASE}) as recovery:
        first, second = recovery.start(), recovery.start()
        [job] = recovery.enqueue(hang.request())
        [run] = recovery.wait_for_runs("hang", 1)
        killed = recovery.kill(run.process)
        _, again = recovery.wait_for_runs("hang", 2)
        assert {run.process, again.process} == {first, second}
        wait_until(lambda: recovery.store.count().succeeded == 1)
        ended = recovery.store.find(job.id)
    assert isinstance(ended, bgjobs.SucceededJob)
    assert (ended.crashes, ended.attempts, ended.reservations) == (1, 0, 2)
    # Not before the lease ended, which was renewed a quarter of a lease before, at the latest.
    assert 0.5 * LEASE < again.began - killed < LENIENT * LEASE


def test_recovery_takes_half_a_minute_at_most_with_the_defaults(database: Database) -> None:
    queue = bgjobs.Queue("all", workers=[note])
    config = bgjobs.Config(store=database.store(), queues=[queue])
    # The lease may just have been renewed, and the next sweep comes an interval after its end.
    # The sweeping process wakes its own queues at once; other processes poll.
    assert config.lease + config.sweep_interval + queue.poll_interval <= BOUND


def test_the_intervals_follow_the_lease(database: Database) -> None:
    queue = bgjobs.Queue("all", workers=[note])
    config = bgjobs.Config(store=database.store(), queues=[queue], lease=LEASE)
    assert config.heartbeat_interval == config.sweep_interval == LEASE / 4


@pytest.mark.slow
def test_a_job_that_kills_its_process_fails_at_last_and_its_fellows_succeed(
    database: Database, tmp_path: Path
) -> None:
    limit = bgjobs.Limits().max_crashes
    fellows = 8
    with Recovery(database, tmp_path, settings={"lease": LEASE}) as recovery:
        recovery.enqueue(die.request(), *(note.request(number) for number in range(fellows)))
        deaths = [recovery.wait_ended(recovery.start()) for _ in range(limit + 1)]
        recovery.start()
        wait_until(lambda: ended(recovery.store.count()) == 1 + fellows)
        counts = recovery.store.count()
        [failed, *_] = (one for one in listed(recovery.store, "failed") if one.name == "die")
    assert deaths == [-signal.SIGKILL] * (limit + 1)
    assert (failed.name, failed.crashes) == ("die", limit + 1)
    assert failed.error == f"its worker died {limit + 1} times while running it"
    assert (counts.succeeded, counts.failed) == (fellows, 1)


@pytest.mark.slow
@on_one_server
def test_work_resumes_when_a_stopped_server_is_started_again(
    server: PostgresServer, on_server: PostgresSchema, tmp_path: Path
) -> None:
    with Recovery(on_server, tmp_path, settings={"lease": LEASE}) as recovery:
        process = recovery.start()
        recovery.enqueue(note.request(1), hang.request())
        recovery.wait_for_runs("note", 1)
        recovery.wait_for_runs("hang", 1)
        server.stop()
        server.start()
        accepts = monotonic()
        recovery.enqueue(note.request(2))
        before, after = recovery.wait_for_runs("note", 2)
        assert before.process == after.process == process
        assert after.began - accepts < LENIENT * LEASE


@pytest.mark.slow
@on_one_server
def test_a_server_that_crashes_loses_nothing(
    server: PostgresServer, on_server: PostgresSchema, tmp_path: Path
) -> None:
    jobs = 60
    with Recovery(on_server, tmp_path, settings={"lease": LEASE}) as recovery:
        recovery.start()
        for number in range(jobs):
            if number % 20 == 10:
                server.restart_immediately()
            recovery.enqueue(note.request(number))
        wait_until(lambda: recovery.store.count().succeeded == jobs)
        assert recovery.store.count().failed == 0
