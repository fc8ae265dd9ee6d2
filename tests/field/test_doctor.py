"""The doctor names what prevents the removal of dead rows on a server."""

from collections.abc import Generator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from bgjobs.stores.operations import Finding
from bgjobs.stores.postgres import PostgresStore, diagnostics
from tests.fixtures.postgres import fresh_postgres_store, random_schema, schema_of
from tests.fixtures.stores import opened

SECRET = "payload-of-a-job"


@pytest.fixture
def store(debian_dsn: str) -> Generator[PostgresStore]:
    with fresh_postgres_store(debian_dsn) as store:
        yield store


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat every transaction as old."""
    monkeypatch.setattr(diagnostics, "LONG", 0.0)
    monkeypatch.setattr(diagnostics, "OLD", -1)


def transactions(store: PostgresStore) -> list[Finding]:
    return [one for one in store.operations.diagnose() if one.check == "transactions"]


def the_one(store: PostgresStore, name: str) -> Finding:
    """Return the finding about this holder; the server may have other ones."""
    [found] = [one for one in transactions(store) if one.text.startswith(f"{name} ")]
    return found


def test_a_server_without_a_holder_has_no_finding(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnostics, "LONG", 60.0)
    [found] = transactions(store)
    assert found.level == "ok"
    assert "longer than 60 s" in found.text


@pytest.mark.parametrize("kind", ["a snapshot", "a write"])
def test_an_open_transaction_is_named(store: PostgresStore, debian_dsn: str, kind: str) -> None:
    with psycopg.connect(debian_dsn, application_name="report") as other:
        if kind == "a snapshot":
            other.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            other.execute(f"select '{SECRET}'".encode())
        else:
            other.execute(f"create temporary table mine as select '{SECRET}'".encode())
        pid = other.info.backend_pid
        found = the_one(store, f"session {pid}")
    assert found.level == "warning"
    assert found.text.startswith(
        f"session {pid} (report, user postgres, idle in transaction) for 0 s, "
    )
    assert (
        "no row that died since can be removed, and each reservation reads past them"
        in found.text
    )
    assert "pg_terminate_backend(pid)" in found.text
    assert SECRET not in found.text


def test_an_idle_transaction_that_holds_no_rows_is_not_named(
    store: PostgresStore, debian_dsn: str
) -> None:
    with psycopg.connect(debian_dsn, application_name="harmless") as other:
        other.execute("select 1")
        texts = [one.text for one in transactions(store)]
    assert not [text for text in texts if "harmless" in text]


def test_a_prepared_transaction_is_named(store: PostgresStore, debian_dsn: str) -> None:
    name = random_schema()
    with psycopg.connect(debian_dsn, autocommit=True) as other:
        other.execute("begin")
        other.execute(f"create table {name} (n int)".encode())
        other.execute(f"prepare transaction '{name}'".encode())
        try:
            found = the_one(store, f"prepared transaction {name}")
        finally:
            other.execute(f"rollback prepared '{name}'".encode())
    assert found.level == "warning"
    assert found.text.startswith(f"prepared transaction {name} (user postgres) for 0 s, ")
    assert "commit prepared or rollback prepared" in found.text


def test_a_replication_slot_is_judged_by_the_age_of_its_transactions() -> None:
    """A slot does not show since when it holds rows."""
    [found] = diagnostics.old_transactions(
        [("replication slot", "away", "inactive", None, 5_000_000)], 7
    )
    assert found.level == "warning"
    assert found.text.startswith(
        "replication slot away (inactive) for an unknown time, 5,000,000 transactions: "
    )
    assert "(7 dead rows now)" in found.text
    assert "remove it if it is not needed" in found.text


def test_a_role_without_rights_gets_the_findings_that_it_may_see(
    store: PostgresStore, debian_dsn: str
) -> None:
    schema = schema_of(store)
    with _role(debian_dsn, schema) as dsn, psycopg.connect(debian_dsn) as other:
        other.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        other.execute("select 1")
        pid = other.info.backend_pid
        with opened(PostgresStore(dsn, schema=schema)) as poor:
            found = the_one(poor, f"session {pid}")
    assert found.level == "warning"
    assert found.text.startswith(f"session {pid} (user postgres) for an unknown time, ")


@contextmanager
def _role(dsn: str, schema: str) -> Generator[str]:
    name = random_schema()
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(f"create role {name} login".encode())
        admin.execute(f'grant usage on schema "{schema}" to {name}'.encode())
        try:
            yield make_conninfo(dsn, user=name)
        finally:
            admin.execute(f"drop owned by {name}; drop role {name}".encode())
