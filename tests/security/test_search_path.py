"""A hostile schema that is first in the search path: nothing in it is called or read.

PostgreSQL looks into its own catalog first, but takes a function or an operator from anywhere
if its arguments fit better than those of the catalog's (CVE-2018-1058). So it is not enough
that the catalog has a name: it must have the very types that a statement uses.
"""

from collections.abc import Generator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from bgjobs.stores.postgres import PostgresStore
from tests.fixtures.postgres import execute, fresh_postgres_store, fresh_schema
from tests.fixtures.postgres_roles import operate, produce, read, work

pytestmark = pytest.mark.xdist_group("search path")  # the schema is created once

ARRAYS = (
    *("text[]", "uuid[]", "integer[]", "smallint[]", "bigint[]", "timestamptz[]"),
    "boolean[]",
)
NUMBERS = ("smallint", "integer", "bigint")
FUNCTIONS = (
    *(f"unnest({array})" for array in ARRAYS),
    *(f"cardinality({array})" for array in ARRAYS),
    "now()",
    "statement_timestamp()",
    "hashtext(text)",
    "hashtext(varchar)",
    "pg_notify(text, text)",
    "pg_notify(varchar, text)",
    "pg_notify(varchar, varchar)",
    "pg_notify(name, text)",
    "to_regclass(text)",
    "to_regclass(varchar)",
    "to_regnamespace(text)",
    "to_regnamespace(varchar)",
    "pg_advisory_xact_lock(integer)",
    "pg_advisory_xact_lock(bigint)",
    "pg_advisory_xact_lock(smallint)",
    *(f"{name}({kind})" for name in ("min", "max") for kind in (*NUMBERS, "timestamptz")),
    "bool_or(boolean)",
    "hashtextextended(text, integer)",
    "hashtextextended(text, bigint)",
    "regexp_replace(text, text, text, text)",
    "split_part(text, text, integer)",
    "substr(text, integer, integer)",
    "chr(integer)",
    "min(text)",
)
SIDES = (
    *((one, other) for one in NUMBERS for other in NUMBERS),
    *((number, "interval") for number in (*NUMBERS, "numeric")),
    *(("interval", number) for number in (*NUMBERS, "numeric")),
    ("uuid", "uuid"),
    ("text", "text"),
    ("text", "varchar"),
    ("varchar", "text"),
    ("uuid", "text"),
    ("timestamptz", "timestamptz"),
    ("timestamptz", "timestamp"),
    ("timestamptz", "interval"),
    ("timestamptz", "text"),
)
OPERATORS = ("=", "<>", "<", ">", "<=", ">=", "*", "+", "-", "/")
TABLES = (
    *("migrations", "owners", "jobs", "jobs_succeeded", "jobs_failed"),
    *("cancellations", "paused_queues", "starts", "failure_hooks", "marked_ends"),
    *("activity", "processes", "audit"),
)
BODY = "language plpgsql as 'begin raise exception ''hijacked''; end'"


def hostile(schema: str) -> list[str]:
    """Return the statements that create it; its objects have names and types of the library."""
    made = [f"create schema {schema}", f"set search_path = {schema}"]
    made += [f"create table {name} (id text)" for name in TABLES]
    made += [f"create function {one} returns int {BODY}" for one in FUNCTIONS]
    for left, right in SIDES:
        name = f"op_{left}_{right}"
        made.append(f"create function {name}({left}, {right}) returns boolean {BODY}")
        made += [
            f"create operator {one} (function = {name}, leftarg = {left}, rightarg = {right})"
            for one in OPERATORS
        ]
    return made


@pytest.fixture(scope="module")
def hostile_dsn(postgres_dsn: str) -> Generator[str]:
    with fresh_schema(postgres_dsn) as schema:
        execute(postgres_dsn, *hostile(schema))
        yield make_conninfo(postgres_dsn, options=f"-c search_path={schema},public")


@pytest.fixture
def store(hostile_dsn: str) -> Generator[PostgresStore]:
    with fresh_postgres_store(hostile_dsn) as store:
        yield store


def test_objects_of_the_hostile_schema_raise_when_used(hostile_dsn: str) -> None:
    with psycopg.connect(hostile_dsn) as connection:
        for statement in (
            b"select cardinality(array['a'])",
            b"select 1::bigint * interval '1 second'",
        ):
            with pytest.raises(psycopg.errors.RaiseException, match="hijacked"):
                connection.execute(statement)
            connection.rollback()


@pytest.mark.parametrize("script", [produce, read, work, operate])
def test_nothing_of_a_hostile_schema_is_used(script: object, store: PostgresStore) -> None:
    assert callable(script)
    script(store)
