"""The roles of docs/operate/postgres-roles.sql: each suffices, and has no right too many."""

import asyncio
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
import trio
from attrs import evolve, frozen
from psycopg import sql
from psycopg.conninfo import make_conninfo

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import AttemptError, Job, UnreadableJob
from bgjobs._core.limits import Cap, RateLimit
from bgjobs._core.requests import JobOptions, JobRequest
from bgjobs._core.settlements import Drop, Fail, Requeue, Succeed
from bgjobs.errors import StoreError
from bgjobs.stores.operations import Failures
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.types import NewJob, Owner
from tests.fixtures.postgres import drop_schema, random_schema

pytestmark = pytest.mark.xdist_group("postgres roles")  # the roles are made once

FILE = Path(__file__).parents[2] / "docs" / "operate" / "postgres-roles.sql"
ROLES = ("producer", "worker", "reader", "operator", "migrator")
LEASE = timedelta(minutes=1)
ALL = timedelta(0)


@frozen
class Cluster:
    """A schema and its roles, under names that no other test uses."""

    dsn: str
    schema: str

    def role(self, name: str) -> str:
        return f"{self.schema}_{name}"

    def store(self, role: str) -> PostgresStore:
        return PostgresStore(self.dsn_of(role), schema=self.schema, pool_size=1)

    def dsn_of(self, role: str) -> str:
        return make_conninfo(self.dsn, options=f"-c role={self.role(role)}")

    def execute(self, *statements: str) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            for one in statements:
                connection.execute(one.encode())

    def rows(self, query: str) -> list[Any]:
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(query.encode()).fetchall()

    @contextmanager
    def using(self, role: str) -> Generator[PostgresStore]:
        store = self.store(role)
        store.open()
        try:
            yield store
        finally:
            store.close()

    def named(self, text: str) -> str:
        """Put our names into a text that speaks of `bgjobs`."""
        text = re.sub(r"\bbgjobs_(?=\w)", f"{self.schema}_", text)
        return re.sub(r"\bbgjobs\b", self.schema, text)


@contextmanager
def clustered(postgres_dsn: str) -> Generator[Cluster]:
    """Make a schema and its roles, and give these the rights of the file."""
    cluster = Cluster(postgres_dsn, random_schema())
    try:
        cluster.execute(
            *(f"create role {cluster.role(one)}" for one in ROLES),
            f"create schema {cluster.schema} authorization {cluster.role('migrator')}",
        )
        with cluster.using("migrator") as store:
            assert store.migrate()
        cluster.execute(cluster.named(FILE.read_text("utf-8")))
        yield cluster
    finally:
        drop_schema(postgres_dsn, cluster.schema)
        cluster.execute(*(f"drop role if exists {cluster.role(one)}" for one in ROLES))


@pytest.fixture(scope="module")
def cluster(postgres_dsn: str) -> Generator[Cluster]:
    with clustered(postgres_dsn) as made:
        yield made


@pytest.fixture(autouse=True)
def empty(cluster: Cluster) -> None:
    tables = (
        *("jobs", "owners", "jobs_succeeded", "jobs_failed"),
        *("cancellations", "paused_queues", "starts", "jobs_unreadable"),
    )
    cluster.execute(*(f"truncate {cluster.schema}.{one}" for one in tables))


def asked(**options: Any) -> JobRequest:
    return JobRequest("work", "{}", JobOptions(**options))


def produce(store: PostgresStore) -> None:
    """Do all that a program does which only enqueues."""
    store.check_schema()
    new = NewJob(new_id(), asked(unique_key="one"))
    store.write([new, NewJob(new_id(), asked())])
    store.write([NewJob(new_id(), asked(unique_key="one"))])  # taken: the live one is read
    store.write([new])  # a repetition
    store.notify(["work"])
    dsn = vars(store)["_source"]._conninfo
    with psycopg.connect(dsn) as connection:
        store.enqueue_in(connection, [asked(priority=5, available_in=timedelta(days=1))])
    asyncio.run(produce_async(store, dsn))


async def produce_async(store: PostgresStore, dsn: str) -> None:
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await store.enqueue_in_async(connection, [asked(unique_key="one")])


def read(store: PostgresStore) -> None:
    """Do all that a program does which only looks."""
    store.check_schema()
    store.find(new_id())  # in all three tables
    store.find_unique("work", "one")
    for lists in (store.get_enqueued, store.get_succeeded, store.get_failed):
        lists("work")
    store.get_running()
    store.count()
    store.next_due(["work"])
    for failures in (Failures(), Failures(name="work"), Failures(words=["no"])):
        store.operations.get_failed(failures)
        store.operations.get_failed_ids(evolve(failures, name="work"))
    store.operations.get_waiting("work", delayed=True)
    store.operations.get_named_running("work")
    store.operations.get_waiting_names(10)
    store.operations.get_occurrences()
    store.operations.find_ids(new_id(), new_id(), 10)
    store.operations.get_unreadable()
    store.operations.find_unreadable(new_id())
    store.operations.count_unreadable()
    assert store.operations.pending_migrations() == []


def set_one_apart(store: PostgresStore) -> UUID:
    """Move a row as one that cannot be read, and return under which id."""
    [odd] = store.write([NewJob(new_id(), asked())]).jobs
    found = UnreadableJob(
        id=odd.id, table="jobs", reason="x", columns={}, key=(odd.id, None, odd.reservations)
    )
    [moved] = store.operations.set_apart([found])
    return moved.id


def reserved(store: PostgresStore, owner: Owner, count: int) -> list[Job]:
    store.write([NewJob(new_id(), asked()) for _ in range(count)])
    found = list(store.reserve(owner.id, ["work"], count))
    assert len(found) == count
    return found


def work(store: PostgresStore) -> None:
    """Do all that a program does which runs jobs."""
    produce(store)
    read(store)
    owner = Owner(new_id(), "q", "node")
    store.open_owner(owner, LEASE)
    store.reserve(owner.id, ["work"], 10)
    cap = Cap("work", running=100, rate=RateLimit(100, 60))
    store.next_due(["work"], caps=[cap])
    [capped] = store.write([NewJob(new_id(), asked())]).jobs
    assert [one.id for one in store.reserve(owner.id, ["work"], 10, caps=[cap])] == [capped.id]
    first, second, third, fourth, fifth = reserved(store, owner, 5)
    counters: dict[str, Any] = {"attempts": 1, "crashes": 0, "interruptions": 0}
    errors = (AttemptError(0, first.created_at, "x"),)
    lost = store.write(
        settle=[
            Succeed(first.reservation),
            Fail(reservation=second.reservation, error="x", errors=errors, **counters),
            Requeue(reservation=third.reservation, errors=errors, **counters),
            Drop(fourth.reservation),
        ]
    ).lost
    assert not lost
    assert store.complete(fifth.reservation, lambda connection: None)
    store.write([NewJob(new_id(), asked(unique_key="freed"))])
    [keyed] = [one for one in store.reserve(owner.id, ["work"], 10) if one.unique_key]
    assert store.complete(keyed.reservation, lambda connection: None)
    [waiting] = store.write([NewJob(new_id(), asked())]).jobs
    assert store.replace(waiting, NewJob(new_id(), asked()))
    assert store.heartbeat([owner.id], LEASE).alive
    store.abandoned()
    set_one_apart(store)
    store.close_owners([owner.id])
    watcher = store.watch()
    assert watcher is not None
    watcher.close()
    assert store.prune(succeeded_for=ALL, failed_for=ALL, limit=10) == 4


def operate(store: PostgresStore) -> None:
    """Do all that a program does which operates the others."""
    produce(store)
    read(store)
    admin = store.operations
    waiting, retried, moved = store.write([NewJob(new_id(), asked()) for _ in range(3)]).jobs
    assert admin.cancel([waiting.id, retried.id], "no").ended
    assert admin.retry([retried.id]) == [retried.id]
    assert admin.change([moved.id], available_in=LEASE, priority=3) == [moved.id]
    assert store.replace(moved, NewJob(new_id(), asked()))
    [failed] = admin.get_failed()
    assert store.prune(succeeded_for=ALL, failed_for=ALL, limit=10) == 1
    assert admin.restore([failed]) == [failed.id]
    apart = set_one_apart(store)
    assert admin.put_back([apart]) == [apart]
    assert admin.delete([failed.id]) == [failed.id]
    assert admin.prune_worker("work", succeeded_for=ALL, failed_for=ALL, limit=10) == 0
    assert admin.pause_queue("q")
    assert admin.commands([new_id()]).paused == {"q"}
    assert admin.resume_queue("q")
    assert admin.get_owners() == []
    assert store.heartbeat([], LEASE).alive == frozenset()
    assert {one.level for one in admin.diagnose()} <= {"ok", "warning"}


SCRIPTS: dict[str, Callable[[PostgresStore], None]] = {
    "producer": produce,
    "worker": work,
    "reader": read,
    "operator": operate,
}


@pytest.mark.parametrize("role", SCRIPTS)
def test_a_role_suffices(role: str, cluster: Cluster) -> None:
    with cluster.using(role) as store:
        SCRIPTS[role](store)


def test_a_producer_may_repeat_a_write(cluster: Cluster) -> None:
    """As it does when the answer to the first was lost, and the job may have run since."""
    with cluster.using("producer") as store:
        new = NewJob(new_id(), asked())
        store.write([new])
        [again] = store.write([evolve(new, repeated=True)]).jobs
        assert again.id == new.id
        assert len(cluster.rows(f"select from {cluster.schema}.jobs")) == 1


GRANT = re.compile(r"grant ([\w\s,()]+?)\s+on (schema )?([\w.]+) to bgjobs_(\w+);")


def grants() -> Iterator[tuple[str, str, str]]:
    """Give each right alone: role, right, object."""
    text = re.sub(r"--.*", "", FILE.read_text("utf-8"))
    found = GRANT.findall(text)
    assert len(found) == text.count("grant")
    for rights, schema, place, role in found:
        columns = re.fullmatch(r"(\w+) \((.*)\)", rights, re.DOTALL)
        if columns:
            alone = [f"{columns[1]} ({one.strip()})" for one in columns[2].split(",")]
        else:
            alone = [one.strip() for one in rights.split(",")]
        yield from ((role, right, f"{schema}{place}") for right in alone)


@pytest.mark.parametrize(("role", "right", "place"), list(grants()))
def test_no_right_is_too_many(role: str, right: str, place: str, cluster: Cluster) -> None:
    """Without it the role's program fails."""
    name = f"{right} on {cluster.named(place)}"
    cluster.execute(f"revoke {name} from {cluster.role(role)}")
    try:
        with cluster.using(role) as store, pytest.raises(StoreError, match=r"\(42501\)"):
            SCRIPTS[role](store)
    finally:
        cluster.execute(f"grant {name} to {cluster.role(role)}")


FORBIDDEN: dict[str, tuple[str, ...]] = {
    "producer": (
        "update bgjobs.jobs set payload = ''",
        "delete from bgjobs.jobs",
        "insert into bgjobs.jobs (id, attempts) values (gen_random_uuid(), 1)",
        "select from bgjobs.owners",
        "delete from bgjobs.jobs_failed",
        "select error from bgjobs.jobs_failed",
        "select errors from bgjobs.jobs_succeeded",
        "select from bgjobs.jobs_unreadable",
    ),
    "worker": (
        *(
            f"update bgjobs.jobs set {column} = {column}"
            for column in ("id", "name", "payload", "priority", "created_at", "occurrence")
        ),
        "insert into bgjobs.jobs (id, attempts) values (gen_random_uuid(), 1)",
        "insert into bgjobs.jobs (id, reserved_by) values (gen_random_uuid(), null)",
        "update bgjobs.owners set id = gen_random_uuid()",
        "update bgjobs.owners set name = ''",
        "update bgjobs.jobs_succeeded set id = gen_random_uuid()",
        "update bgjobs.jobs_failed set id = gen_random_uuid()",
        "update bgjobs.cancellations set job_id = gen_random_uuid()",
        "insert into bgjobs.cancellations values (gen_random_uuid(), '', now())",
        "insert into bgjobs.paused_queues values ('q', now())",
        "delete from bgjobs.jobs_unreadable",
        "update bgjobs.jobs_unreadable set reason = ''",
        "delete from bgjobs.paused_queues",
        "update bgjobs.starts set name = ''",
        "update bgjobs.jobs_succeeded set payload = ''",
        "update bgjobs.jobs_failed set error = ''",
        "insert into bgjobs.migrations values (99, 'x', now())",
    ),
    "reader": (
        "insert into bgjobs.jobs (id) values (gen_random_uuid())",
        "update bgjobs.jobs set priority = 0",
        "delete from bgjobs.jobs_succeeded",
        "select from bgjobs.owners",
        "select from bgjobs.jobs for update",
        "select from bgjobs.cancellations",
    ),
    "operator": (
        "update bgjobs.jobs set payload = ''",
        "update bgjobs.jobs set reserved_by = null, reserved_at = null",
        "insert into bgjobs.jobs (id, reserved_by) values (gen_random_uuid(), null)",
        "update bgjobs.jobs_failed set error = ''",
        "update bgjobs.jobs_succeeded set id = gen_random_uuid()",
        "update bgjobs.jobs_failed set id = gen_random_uuid()",
        "update bgjobs.paused_queues set name = ''",
        "update bgjobs.jobs_unreadable set id = gen_random_uuid()",
        "update bgjobs.jobs_unreadable set metadata = null",
        "update bgjobs.owners set lease_expires_at = now()",
        "delete from bgjobs.owners",
        "select from bgjobs.starts",
    ),
}
_DDL = (
    "create table bgjobs.mine (x int)",
    "create function bgjobs.mine() returns int language sql as 'select 1'",
    "alter table bgjobs.jobs add column mine int",
    "drop table bgjobs.jobs",
    "truncate bgjobs.jobs",
    "create trigger mine after insert on bgjobs.jobs execute function pg_notify('a', 'b')",
)


@pytest.mark.parametrize(
    ("role", "statement"),
    [(role, one) for role, own in FORBIDDEN.items() for one in (*own, *_DDL)],
)
def test_what_a_role_may_not_do(role: str, statement: str, cluster: Cluster) -> None:
    with psycopg.connect(cluster.dsn_of(role)) as connection:
        text = sql.SQL(cluster.named(statement))
        denied = (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedFunction)
        with pytest.raises(denied):
            connection.execute(text)


def test_the_owner_of_the_tables_repairs_what_an_operator_puts_back(cluster: Cluster) -> None:
    with cluster.using("operator") as store:
        apart = set_one_apart(store)
        repair = "update bgjobs.jobs_unreadable set metadata = "
        with psycopg.connect(cluster.dsn_of("migrator")) as owner:
            owner.execute(sql.SQL(cluster.named(f"{repair}'{{'")))
        assert store.operations.put_back([apart]) == []
        with psycopg.connect(cluster.dsn_of("migrator")) as owner:
            owner.execute(sql.SQL(cluster.named(f"{repair}null")))
        assert store.operations.put_back([apart]) == [apart]


@bgjobs.worker
def add(one: int, other: int) -> None: ...


def test_applications_of_a_producer_and_a_worker(cluster: Cluster) -> None:
    """Whole ones, neither of which may migrate."""
    produced = bgjobs.Config(store=cluster.store("producer"), enqueue_only=[add], migrate=False)
    ran = bgjobs.Config(
        store=cluster.store("worker"),
        queues=[bgjobs.Queue("q", workers=[add])],
        retention=bgjobs.Retention(succeeded=timedelta(days=1), interval=0.1),
        migrate=False,
    )

    async def main() -> None:
        with trio.fail_after(60):
            async with bgjobs.run(produced) as bg:
                await bg.enqueue_many(add.request(one, 2) for one in range(10))
            async with bgjobs.run(ran) as bg:
                await bg.drain()
                assert (await bg.count()).succeeded == 10

    trio.run(main)


def test_the_file_takes_away_what_an_earlier_one_gave(cluster: Cluster) -> None:
    role = cluster.role("worker")
    for right in ("update", "update (id)", "truncate"):
        cluster.execute(f"grant {right} on {cluster.schema}.jobs_failed to {role}")
    cluster.execute(cluster.named(FILE.read_text("utf-8")))
    with psycopg.connect(cluster.dsn_of("worker")) as connection:
        denied = psycopg.errors.InsufficientPrivilege
        with pytest.raises(denied):
            connection.execute(f"update {cluster.schema}.jobs_failed set id = id".encode())
    with cluster.using("worker") as store:
        work(store)


@pytest.mark.parametrize("role", ["producer", "worker", "reader", "operator"])
def test_only_the_migrator_migrates(role: str, cluster: Cluster) -> None:
    """The others find nothing to do, and may not when there is."""
    with cluster.using(role) as store:
        assert store.migrate() == []
    newest = f"(select max(version) from {cluster.schema}.migrations)"
    keep = f"create table {cluster.schema}_kept as select * from {cluster.schema}.migrations"
    cluster.execute(keep, f"delete from {cluster.schema}.migrations where version = {newest}")
    try:
        with cluster.using(role) as store, pytest.raises(StoreError, match=r"\(42501\)"):
            store.migrate()
    finally:
        cluster.execute(
            f"truncate {cluster.schema}.migrations",
            f"insert into {cluster.schema}.migrations select * from {cluster.schema}_kept",
            f"drop table {cluster.schema}_kept",
        )


def test_a_migrator_needs_its_schema(cluster: Cluster) -> None:
    """Without the right to create in it, and none on the database, it can do nothing."""
    other = random_schema()
    role = cluster.role("migrator")
    cluster.execute(f"create schema {other}", f"grant usage on schema {other} to {role}")
    try:
        for schema in (other, random_schema()):
            store = PostgresStore(cluster.dsn_of("migrator"), schema=schema)
            store.open()
            with pytest.raises(StoreError, match=r"\(42501\)"):
                store.migrate()
            store.close()
    finally:
        drop_schema(cluster.dsn, other)
