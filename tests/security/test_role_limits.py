"""What each role can do to the others; the documents name it, and nothing prevents it."""

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import CancelledJob, FailedJob, Job, SucceededJob
from bgjobs._core.limits import Cap, RateLimit
from bgjobs._core.requests import JobOptions, JobRequest
from bgjobs._core.settlements import Cancel, Succeed
from bgjobs.errors import StoreUnavailableError
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.types import Cancelled, NewJob, Owner
from bgjobs.testing.contract.steps import fail, listed
from tests.fixtures.postgres_roles import Cluster, clustered
from tests.fixtures.stores import opened

pytestmark = pytest.mark.xdist_group("postgres roles")  # the roles are created once

LEASE, DAY = timedelta(minutes=1), timedelta(days=1)
FAR = "now() + interval '90 years'"
every_role = pytest.mark.parametrize("role", ["producer", "worker", "reader", "operator"])
JOB = "id, name, payload, priority, created_at, available_at"


@pytest.fixture(scope="module")
def cluster(postgres_dsn: str) -> Generator[Cluster]:
    with clustered(postgres_dsn) as made:
        yield made


@pytest.fixture
def store(cluster: Cluster) -> Generator[PostgresStore]:
    """The store of a well-behaved worker, over empty tables."""
    tables = cluster.rows(
        "select tablename from pg_tables"
        f" where schemaname = '{cluster.schema}' and tablename <> 'migrations'"
    )
    cluster.execute(*(f'truncate {cluster.schema}."{name}"' for [name] in tables))
    with cluster.using("worker") as opened:
        yield opened


@contextmanager
def acting(cluster: Cluster, role: str) -> Generator[psycopg.Connection[Any]]:
    """Yield an open transaction of this role."""
    with psycopg.connect(cluster.dsn_of(role)) as connection:
        yield connection


def do(connection: psycopg.Connection[Any], cluster: Cluster, statement: str) -> Any:
    return connection.execute(cluster.named(statement).encode())


def does(cluster: Cluster, role: str, statement: str) -> list[Any]:
    """Commit one statement of a role."""
    with acting(cluster, role) as connection:
        cursor = do(connection, cluster, statement)
        return cursor.fetchall() if cursor.description else []


def job(**options: Any) -> NewJob:
    return NewJob(new_id(), JobRequest("work", '{"a":1}', JobOptions(**options)))


def owner_of(store: PostgresStore) -> Owner:
    owner = Owner(new_id(), "q", "node")
    store.open_owner(owner, LEASE)
    return owner


def running(store: PostgresStore) -> tuple[Owner, Job]:
    owner = owner_of(store)
    store.write([job()])
    [held] = store.reserve(owner.id, ["work"], 1)
    return owner, held


def impatient(cluster: Cluster, role: str) -> AbstractContextManager[PostgresStore]:
    """Open a store with a short timeout of calls."""
    dsn = cluster.dsn_of(role)
    return opened(PostgresStore(dsn, schema=cluster.schema, pool_size=1, call_timeout=0.5))


def test_a_producer_reads_the_arguments_of_all(cluster: Cluster, store: PostgresStore) -> None:
    store.write([job()])
    for table in ("jobs", "jobs_succeeded", "jobs_failed"):
        does(cluster, "producer", f"select payload, unique_key from bgjobs.{table}")
    [[payload]] = does(cluster, "producer", "select payload from bgjobs.jobs")
    assert payload == '{"a":1}'


def test_a_producer_fills_the_table(cluster: Cluster, store: PostgresStore) -> None:
    rows = "select gen_random_uuid(), 'work', '{}', 0, now(), now()"
    many = f"insert into bgjobs.jobs ({JOB}) {rows} from generate_series(1, 1000)"
    does(cluster, "producer", many)
    assert store.count().waiting == 1000


def test_a_producer_runs_any_worker_with_any_arguments_before_others(
    cluster: Cluster, store: PostgresStore
) -> None:
    store.write([job(priority=-32_000)])
    values = "gen_random_uuid(), 'work', '[]', -32767, now(), now()"
    does(cluster, "producer", f"insert into bgjobs.jobs ({JOB}) values ({values})")
    [held] = store.reserve(owner_of(store).id, ["work"], 1)
    assert held.payload == "[]"


def test_a_producer_takes_a_unique_key(cluster: Cluster, store: PostgresStore) -> None:
    values = f"gen_random_uuid(), 'work', '[]', 0, now(), {FAR}, 'daily'"
    taking = f"insert into bgjobs.jobs ({JOB}, unique_key) values ({values})"
    does(cluster, "producer", taking)
    [given] = store.write([job(unique_key="daily")]).jobs
    assert given.payload == "[]"
    assert given.available_at > datetime.now(UTC) + 365 * DAY


def test_a_producer_holds_a_unique_key_in_an_open_transaction(
    cluster: Cluster, store: PostgresStore
) -> None:
    values = "gen_random_uuid(), 'work', '[]', 0, now(), now(), 'daily'"
    with impatient(cluster, "producer") as others:
        with acting(cluster, "producer") as holder:
            taking = f"insert into bgjobs.jobs ({JOB}, unique_key) values ({values})"
            do(holder, cluster, taking)
            with pytest.raises(StoreUnavailableError):
                others.write([job(unique_key="daily")])
            assert len(others.write([job(unique_key="hourly"), job()]).jobs) == 2
            holder.rollback()
        new = job(unique_key="daily")
        assert [one.id for one in others.write([new]).jobs] == [new.id]


def test_a_reader_reads_everything_about_jobs(cluster: Cluster, store: PostgresStore) -> None:
    _, held = running(store)
    store.write(settle=[fail(held, "secret")])
    found = does(cluster, "reader", "select payload, error from bgjobs.jobs_failed")
    assert found == [('{"a":1}', "secret")]


@every_role
def test_every_role_keeps_a_migration_waiting(
    role: str, cluster: Cluster, store: PostgresStore
) -> None:
    """By an open transaction, which also keeps dead rows."""
    with acting(cluster, role) as holder:
        do(holder, cluster, "select from bgjobs.jobs")
        with (
            acting(cluster, "migrator") as migrator,
            pytest.raises(psycopg.errors.LockNotAvailable),
        ):
            do(migrator, cluster, "lock table bgjobs.jobs nowait")


@every_role
def test_every_role_takes_the_lock_of_a_worker_with_a_limit(
    role: str, cluster: Cluster, store: PostgresStore
) -> None:
    key = f"hashtextextended('{cluster.schema}.work', 4711)"
    cap = [Cap("work", running=5)]
    with impatient(cluster, "worker") as workers:
        owner = owner_of(workers)
        workers.write([job() for _ in range(5)])  # a call that timed out may have taken one
        with acting(cluster, role) as holder:
            do(holder, cluster, f"select pg_advisory_xact_lock({key})")
            with pytest.raises(StoreUnavailableError):
                workers.reserve(owner.id, ["work"], 1, caps=cap)
            assert len(workers.reserve(owner.id, ["work"], 1)) == 1
            holder.rollback()
        assert len(workers.reserve(owner.id, ["work"], 1, caps=cap)) == 1


def test_a_worker_ends_the_jobs_of_others_without_a_run(
    cluster: Cluster, store: PostgresStore
) -> None:
    _, held = running(store)
    does(cluster, "worker", "delete from bgjobs.jobs")
    assert store.write(settle=[Succeed(held.reservation)]).lost == [held.reservation]


def test_a_worker_holds_jobs_forever(cluster: Cluster, store: PostgresStore) -> None:
    owner, held = running(store)
    does(cluster, "worker", f"update bgjobs.owners set lease_expires_at = {FAR}")
    assert store.abandoned(now=datetime.now(UTC) + 365 * DAY) == []
    with cluster.using("operator") as operator:
        [found] = [one for one in operator.operations.diagnose() if one.check == "owners"]
        assert found.level == "warning"
        assert str(owner.id) in found.text
    cluster.execute(f"delete from {cluster.schema}.owners")
    assert [one.id for one in store.abandoned()] == [held.id]


def test_a_worker_ends_the_leases_of_others(cluster: Cluster, store: PostgresStore) -> None:
    owner, held = running(store)
    does(cluster, "worker", "update bgjobs.owners set lease_expires_at = now()")
    assert not store.heartbeat([owner.id], LEASE).alive
    assert [one.id for one in store.abandoned()] == [held.id]


def test_a_worker_keeps_a_job_from_ending_by_an_open_transaction(
    cluster: Cluster, store: PostgresStore
) -> None:
    _, held = running(store)
    with impatient(cluster, "worker") as others:
        with acting(cluster, "worker") as holder:
            do(holder, cluster, "select from bgjobs.jobs for update")
            with pytest.raises(StoreUnavailableError):
                others.write(settle=[Succeed(held.reservation)])
            holder.rollback()
        others.write(settle=[Succeed(held.reservation)])  # lost, if the first call succeeded
        assert isinstance(store.find(held.id), SucceededJob)


def test_a_worker_postpones_a_job_as_if_it_were_snoozed(
    cluster: Cluster, store: PostgresStore
) -> None:
    store.write([job()])
    put_off = f"update bgjobs.jobs set available_at = {FAR}, reservations = 1"
    does(cluster, "worker", put_off)
    assert not store.reserve(owner_of(store).id, ["work"], 1)


def test_a_worker_uses_up_a_rate(cluster: Cluster, store: PostgresStore) -> None:
    store.write([job()])
    does(cluster, "worker", "insert into bgjobs.starts values ('work', now())")
    cap = Cap("work", rate=RateLimit(1, 3600))
    assert not store.reserve(owner_of(store).id, ["work"], 1, caps=[cap])


def test_a_worker_deletes_the_cancellations_of_operators(
    cluster: Cluster, store: PostgresStore
) -> None:
    owner, held = running(store)
    with cluster.using("operator") as operator:
        assert operator.operations.cancel([held.id], Cancelled("no")).asked == [held.id]
    assert store.operations.commands([owner.id]).cancelled == {held.id: Cancelled("no")}
    does(cluster, "worker", "delete from bgjobs.cancellations")
    assert store.operations.commands([owner.id]).cancelled == {}


@pytest.mark.parametrize("role", ["worker", "operator"])
def test_a_worker_and_an_operator_forge_failures_and_delete_them(
    role: str, cluster: Cluster, store: PostgresStore
) -> None:
    forged = "gen_random_uuid(), 'work', '[]', 0, 1, 0, 0, 1, now(), now(), '[]', 'x', now()"
    columns = (
        f"{JOB.partition(', created_at')[0]}, attempts, crashes, interruptions,"
        " reservations, created_at, available_at, errors, error, failed_at"
    )
    insert = f"insert into bgjobs.jobs_failed ({columns}) values ({forged})"
    does(cluster, role, insert)
    [failed] = listed(store, "failed")
    assert isinstance(failed, FailedJob)
    with cluster.using("operator") as operator:
        assert operator.operations.retry([failed.id]) == [failed.id]
    does(cluster, role, insert)
    does(cluster, role, "delete from bgjobs.jobs_failed")
    assert store.count().failed == 0


@pytest.mark.parametrize("role", ["worker", "operator"])
def test_a_worker_and_an_operator_forge_cancellations_and_delete_them(
    role: str, cluster: Cluster, store: PostgresStore
) -> None:
    forged = (
        "gen_random_uuid(), 'work', '[]', 0, 0, 0, 0, 0, now(), now(), '[]', 'x', 'ada', now()"
    )
    columns = (
        f"{JOB.partition(', created_at')[0]}, attempts, crashes, interruptions, reservations,"
        " created_at, available_at, errors, cancel_reason, cancelled_by, cancelled_at"
    )
    insert = f"insert into bgjobs.jobs_cancelled ({columns}) values ({forged})"
    does(cluster, role, insert)
    [cancelled] = listed(store, "cancelled")
    assert isinstance(cancelled, CancelledJob)
    assert cancelled.cancelled_by == "ada"
    with cluster.using("operator") as operator:
        assert operator.operations.retry([cancelled.id]) == [cancelled.id]
    does(cluster, role, insert)
    does(cluster, role, "delete from bgjobs.jobs_cancelled")
    assert store.count().cancelled == 0


def test_a_worker_forges_the_queues_of_closed_owners(
    cluster: Cluster, store: PostgresStore
) -> None:
    forged = "gen_random_uuid(), 'other', 'node', now(), now()"
    insert = f"insert into bgjobs.past_owners values ({forged}) returning id"
    [[owner]] = does(cluster, "worker", insert)
    assert store.find_owners([owner]) == [Owner(owner, "other", "node")]


@pytest.mark.parametrize("role", ["worker", "operator"])
def test_a_worker_and_an_operator_delete_the_names_of_closed_owners(
    role: str, cluster: Cluster, store: PostgresStore
) -> None:
    owner, held = running(store)
    store.write(settle=[Succeed(held.reservation)])
    store.close_owners([owner.id])
    assert store.find_owners([owner.id]) == [owner]
    does(cluster, role, "delete from bgjobs.past_owners")
    assert store.find_owners([owner.id]) == []


def test_a_worker_registers_a_function_that_no_process_has(
    cluster: Cluster, store: PostgresStore
) -> None:
    [waiting] = store.write([job()]).jobs
    does(cluster, "worker", "insert into bgjobs.failure_hooks values ('work', true, now())")
    with cluster.using("operator") as operator:
        cancelled = Cancelled("no")
        assert operator.operations.cancel([waiting.id], cancelled).ended == []
        assert [one.id for one in listed(store, "running")] == [waiting.id]
        assert operator.operations.delete([waiting.id]) == [waiting.id]


@pytest.mark.parametrize("role", ["worker", "operator"])
def test_a_worker_and_an_operator_change_and_delete_marked_ends(
    role: str, cluster: Cluster, store: PostgresStore
) -> None:
    store.operations.register_hooks({"work": True})
    _, held = running(store)
    assert store.operations.mark_end(fail(held))
    forged = "state = 'cancelled', reason = 'forged', author = 'ada'"
    does(cluster, role, f"update bgjobs.marked_ends set {forged}")
    [marked] = store.operations.marked_ends(["work"])
    assert isinstance(marked.settlement, Cancel)
    assert (marked.settlement.reason, marked.settlement.by) == ("forged", "ada")
    does(cluster, role, "delete from bgjobs.marked_ends")
    assert list(store.operations.marked_ends(["work"])) == []
    assert store.abandoned(now=datetime.now(UTC) + 365 * DAY) == []
    with cluster.using("operator") as operator:
        assert operator.operations.delete([held.id]) == [held.id]


def test_an_operator_takes_running_jobs_from_their_owners(
    cluster: Cluster, store: PostgresStore
) -> None:
    owner, held = running(store)
    taken = "reserved_by = null, reserved_at = null, reservations = reservations + 1"
    does(cluster, "operator", f"update bgjobs.jobs set {taken}")
    assert store.write(settle=[Succeed(held.reservation)]).lost == [held.reservation]
    assert [one.id for one in store.reserve(owner.id, ["work"], 1)] == [held.id]


def test_an_operator_deletes_a_running_job(cluster: Cluster, store: PostgresStore) -> None:
    _, held = running(store)
    does(cluster, "operator", "delete from bgjobs.jobs")
    assert store.write(settle=[Succeed(held.reservation)]).lost == [held.reservation]


def test_an_operator_postpones_every_waiting_job(
    cluster: Cluster, store: PostgresStore
) -> None:
    store.write([job()])
    does(cluster, "operator", f"update bgjobs.jobs set available_at = {FAR}")
    assert not store.reserve(owner_of(store).id, ["work"], 1)


def test_an_operator_pauses_queues_and_cancels_running_jobs(
    cluster: Cluster, store: PostgresStore
) -> None:
    owner, held = running(store)
    does(cluster, "operator", "insert into bgjobs.paused_queues values ('q', now())")
    order = f"insert into bgjobs.cancellations values ('{held.id}', 'no', now(), 'ada')"
    does(cluster, "operator", order)
    commands = store.operations.commands([owner.id])
    assert commands.paused == {"q"}
    assert commands.cancelled == {held.id: Cancelled("no", "ada")}


def test_an_operator_runs_any_worker_with_any_arguments(
    cluster: Cluster, store: PostgresStore
) -> None:
    values = "gen_random_uuid(), 'work', '[]', 0, now(), now()"
    does(cluster, "operator", f"insert into bgjobs.jobs ({JOB}) values ({values})")
    [held] = store.reserve(owner_of(store).id, ["work"], 1)
    assert held.payload == "[]"


def test_a_migrator_owns_all_tables(cluster: Cluster, store: PostgresStore) -> None:
    with acting(cluster, "migrator") as migrator:
        do(migrator, cluster, "drop table bgjobs.jobs")
        migrator.rollback()
