"""The roles of docs/operate/postgres-roles.sql: each has the rights it needs, and no others."""

import re
from collections.abc import Generator, Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import trio
from attrs import evolve
from psycopg import sql

import bgjobs
from bgjobs._core.activity import HOUR, LENGTH, MinuteTotals
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import CancelledJob
from bgjobs.errors import StoreError
from bgjobs.stores.hooked import do_nothing
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.postgres.statements import Dialect
from bgjobs.stores.types import Cancelled, NewJob
from tests.fixtures.postgres import drop_schema, random_schema
from tests.fixtures.postgres_roles import (
    FILE,
    SCRIPTS,
    Cluster,
    asked,
    clustered,
    record,
    set_one_apart,
    work,
)
from tests.fixtures.previous_version import statements
from tests.fixtures.stores import opened

pytestmark = pytest.mark.xdist_group("postgres roles")  # the roles are made once


@pytest.fixture(scope="module")
def cluster(postgres_dsn: str) -> Generator[Cluster]:
    with clustered(postgres_dsn) as made:
        yield made


@pytest.fixture(autouse=True)
def empty(cluster: Cluster) -> None:
    tables = (
        *("jobs", "owners", "past_owners", "jobs_succeeded", "jobs_failed", "jobs_cancelled"),
        *("cancellations", "paused_queues", "starts", "jobs_unreadable"),
        *("failure_hooks", "marked_ends", "activity", "processes", "audit"),
        *("children", "waiting_jobs"),
    )
    cluster.execute(*(f"truncate {cluster.schema}.{one}" for one in tables))


@pytest.mark.parametrize("role", SCRIPTS)
def test_a_role_suffices(role: str, cluster: Cluster) -> None:
    with cluster.using(role) as store:
        SCRIPTS[role](store)


def test_a_producer_may_repeat_a_write(cluster: Cluster) -> None:
    """Which it does when the answer to the first was lost; the job may have run since."""
    with cluster.using("producer") as store:
        new = NewJob(new_id(), asked())
        store.write([new])
        [again] = store.write([evolve(new, repeated=True)]).jobs
        assert again.id == new.id
        assert len(cluster.rows(f"select from {cluster.schema}.jobs")) == 1


GRANT = re.compile(r"grant ([\w\s,()]+?)\s+on (schema )?([\w.]+) to bgjobs_(\w+);")


def grants() -> Iterator[tuple[str, str, str]]:
    """Yield each single right: role, right, object."""
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


_OLDER = {
    ("producer", f"select ({column})", f"bgjobs.{table}")
    for column in ("name", "payload", "priority", "unique_key", "occurrence", "metadata")
    for table in ("jobs_succeeded", "jobs_failed")
}
"""What only programs of the previous version need, which run while others are updated."""


def test_a_producer_of_the_previous_version_finds_what_holds_a_key(cluster: Cluster) -> None:
    assert set(grants()) >= _OLDER
    blocks = statements("postgres", lambda table: f'"{cluster.schema}"."{table}"')
    [text] = blocks["find_holder"]
    dialect = Dialect(cluster.schema, "older")
    values = {"ids": [new_id()], "names": ["work"], "unique_keys": ["k"]}
    with psycopg.connect(cluster.dsn_of("producer")) as connection:
        assert dialect.run(connection, text.encode(), values) == []


@pytest.mark.parametrize(("role", "right", "place"), sorted({*grants()} - _OLDER))
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
        "select cancel_reason from bgjobs.jobs_cancelled",
        "select payload from bgjobs.jobs_cancelled",
        "select from bgjobs.past_owners",
        "select from bgjobs.jobs_unreadable",
        "select from bgjobs.failure_hooks",
        "select from bgjobs.marked_ends",
        "select from bgjobs.activity",
        "select from bgjobs.processes",
        "select from bgjobs.audit",
        "select from bgjobs.children",
        "select from bgjobs.waiting_jobs",
        "insert into bgjobs.jobs (id, parent_id) values (gen_random_uuid(), null)",
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
        "update bgjobs.jobs_cancelled set id = gen_random_uuid()",
        "update bgjobs.past_owners set name = ''",
        "update bgjobs.cancellations set job_id = gen_random_uuid()",
        "update bgjobs.cancellations set asked_at = now()",
        "update bgjobs.children set child_key = ''",
        "update bgjobs.children set parent_id = gen_random_uuid()",
        "update bgjobs.waiting_jobs set job_id = gen_random_uuid()",
        "insert into bgjobs.paused_queues values ('q', now())",
        "delete from bgjobs.jobs_unreadable",
        "update bgjobs.jobs_unreadable set reason = ''",
        "delete from bgjobs.paused_queues",
        "update bgjobs.starts set name = ''",
        "update bgjobs.failure_hooks set name = ''",
        "delete from bgjobs.failure_hooks",
        "update bgjobs.marked_ends set job_id = gen_random_uuid()",
        "update bgjobs.activity set name = ''",
        "update bgjobs.processes set node = ''",
        "update bgjobs.jobs_succeeded set payload = ''",
        "update bgjobs.jobs_succeeded set reserved_by = null, reserved_at = null",
        "update bgjobs.jobs_failed set error = ''",
        "update bgjobs.jobs_cancelled set cancel_reason = ''",
        "update bgjobs.audit set author = 'eve'",
        "insert into bgjobs.audit (id, changed) values (gen_random_uuid(), 1)",
        "insert into bgjobs.migrations values (99, 'x', now())",
    ),
    "reader": (
        "insert into bgjobs.jobs (id) values (gen_random_uuid())",
        "update bgjobs.jobs set priority = 0",
        "delete from bgjobs.jobs_succeeded",
        "delete from bgjobs.jobs_cancelled",
        "select lease_expires_at from bgjobs.owners",
        "delete from bgjobs.past_owners",
        "select from bgjobs.jobs for update",
        "select from bgjobs.cancellations",
        "select from bgjobs.failure_hooks",
        "select from bgjobs.marked_ends",
        "delete from bgjobs.activity",
        "delete from bgjobs.processes",
        "insert into bgjobs.audit (id) values (gen_random_uuid())",
        "update bgjobs.audit set changed = 0",
        "delete from bgjobs.audit",
        "delete from bgjobs.children",
        "delete from bgjobs.waiting_jobs",
    ),
    "operator": (
        "update bgjobs.jobs set payload = ''",
        "update bgjobs.jobs set attempts = 0",
        "insert into bgjobs.jobs (id, reserved_by) values (gen_random_uuid(), null)",
        "insert into bgjobs.failure_hooks values ('work', true, now())",
        "update bgjobs.failure_hooks set on_cancelled = false",
        "delete from bgjobs.activity",
        "update bgjobs.processes set node = ''",
        "update bgjobs.marked_ends set job_id = gen_random_uuid()",
        "update bgjobs.jobs_failed set error = ''",
        "update bgjobs.jobs_cancelled set cancel_reason = ''",
        "insert into bgjobs.past_owners values (gen_random_uuid(), 'q', 'n', now(), now())",
        "update bgjobs.past_owners set name = ''",
        "update bgjobs.jobs_succeeded set id = gen_random_uuid()",
        "update bgjobs.jobs_failed set id = gen_random_uuid()",
        "update bgjobs.paused_queues set name = ''",
        "update bgjobs.jobs_unreadable set id = gen_random_uuid()",
        "update bgjobs.jobs_unreadable set metadata = null",
        "update bgjobs.owners set lease_expires_at = now()",
        "delete from bgjobs.owners",
        "select from bgjobs.starts",
        "delete from bgjobs.audit",
        *(f"update bgjobs.audit set {one} = {one}" for one in ("id", "at", "author", "action")),
        "update bgjobs.audit set subject = ''",
        "update bgjobs.jobs set parent_id = null",
        "update bgjobs.jobs set has_children = false",
        "insert into bgjobs.children values (gen_random_uuid(), 'a', gen_random_uuid())",
        "delete from bgjobs.waiting_jobs",
        "insert into bgjobs.audit (id, changed) values (gen_random_uuid(), 1)",
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
def test_statements_that_a_role_may_not_run(
    role: str, statement: str, cluster: Cluster
) -> None:
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


def test_an_operator_cancels_a_job_whose_function_a_worker_calls(cluster: Cluster) -> None:
    with cluster.using("worker") as worker:
        worker.operations.register_hooks({"work": True})
        [waiting] = worker.write([NewJob(new_id(), asked())]).jobs
        with cluster.using("operator") as operator:
            found = operator.operations.cancel([waiting.id], Cancelled("no", "ada"))
        assert found.asked == [waiting.id]
        [marked] = worker.operations.marked_ends(["work"])
        assert worker.end_with(marked.settlement, do_nothing).kept
        assert isinstance(worker.find(waiting.id), CancelledJob)


def test_a_worker_forges_and_deletes_what_queues_have_done(cluster: Cluster) -> None:
    minute = MinuteTotals(datetime.now(UTC), "work", new_id(), [1] * LENGTH)
    with cluster.using("worker") as store:
        store.operations.record_activity([minute])
        with psycopg.connect(cluster.dsn_of("worker"), autocommit=True) as connection:
            connection.execute(f"update {cluster.schema}.activity set succeeded = 9".encode())
            assert [one.succeeded for one in store.operations.activity(HOUR, HOUR)] == [9]
            connection.execute(f"delete from {cluster.schema}.activity".encode())
        assert not store.operations.activity(HOUR, HOUR)


def _does(cluster: Cluster, role: str, statement: str) -> None:
    with psycopg.connect(cluster.dsn_of(role)) as connection:
        connection.execute(sql.SQL(cluster.named(statement)))


@pytest.mark.parametrize("role", ["worker", "operator"])
def test_a_worker_and_an_operator_forge_entries_of_the_audit(
    role: str, cluster: Cluster
) -> None:
    forged = "gen_random_uuid(), now(), 'grace', 'delete', 'all'"
    insert = "insert into bgjobs.audit (id, at, author, action, subject)"
    with cluster.using("operator") as operator:
        entry_id = record(operator)
        _does(cluster, role, f"{insert} values ({forged})")
        _does(cluster, role, "update bgjobs.audit set changed = 99")
        listed = operator.operations.list_audit()
    found = {one.id: (one.author, one.changed) for one in listed}
    assert found.pop(entry_id) == ("ada", 99)
    assert list(found.values()) == [("grace", 99)]


def test_a_worker_deletes_entries_of_the_audit(cluster: Cluster) -> None:
    with cluster.using("operator") as operator:
        record(operator)
        _does(cluster, "worker", "delete from bgjobs.audit")
        assert operator.operations.list_audit() == []


@bgjobs.worker
def add(one: int, other: int) -> None: ...


def test_applications_of_a_producer_and_a_worker(cluster: Cluster) -> None:
    """Neither may migrate."""
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


def test_the_file_revokes_the_rights_of_an_earlier_version(cluster: Cluster) -> None:
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
    """The others find nothing to do; if there is something, they may not do it."""
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
    """It needs the right to create in it; it has none to create a schema."""
    other = random_schema()
    role = cluster.role("migrator")
    cluster.execute(f"create schema {other}", f"grant usage on schema {other} to {role}")
    try:
        for schema in (other, random_schema()):
            with (
                opened(PostgresStore(cluster.dsn_of("migrator"), schema=schema)) as store,
                pytest.raises(StoreError, match=r"\(42501\)"),
            ):
                store.migrate()
    finally:
        drop_schema(cluster.dsn, other)


def test_a_worker_cancels_the_jobs_of_others(cluster: Cluster) -> None:
    """In the name of any operator: a parent that ends asks for the end of its children."""
    with cluster.using("worker") as store:
        _does(cluster, "worker", f"insert into bgjobs.cancellations values ({_FORGED})")
        _does(cluster, "worker", "update bgjobs.cancellations set reason = 'x'")
        [[reason]] = cluster.rows(f"select reason from {cluster.schema}.cancellations")
        assert reason == "x"
        _does(cluster, "worker", "delete from bgjobs.children")
        assert store.nurseries.children([new_id()]) == []


_FORGED = "gen_random_uuid(), 'no', now(), 'grace'"
