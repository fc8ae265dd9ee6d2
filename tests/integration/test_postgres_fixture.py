"""The server that all tests of PostgreSQL share."""

import signal
import subprocess
import sys
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tests.fixtures.postgres import drop_schema, fresh_postgres_store, random_schema

_ROOT = Path(__file__).parents[2]


def test_a_store_has_a_schema_of_its_own_and_drops_it(postgres_dsn: str) -> None:
    with fresh_postgres_store(postgres_dsn) as one, fresh_postgres_store(postgres_dsn) as two:
        schemas = [store.label.split()[-1] for store in (one, two)]
        assert _existing(postgres_dsn, schemas) == 2
    assert _existing(postgres_dsn, schemas) == 0


def test_the_server_of_a_killed_session_is_stopped() -> None:
    program = (
        "import os, signal\n"
        "from tests.fixtures.postgres import started_postgres\n"
        "with started_postgres() as dsn:\n"
        "    print(dsn, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    # The guard inherits the output, so reading it waits for the guard's end.
    killed = subprocess.run(
        [sys.executable, "-c", program],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    folder = conninfo_to_dict(killed.stdout)["host"]
    assert isinstance(folder, str)
    assert not Path(folder).exists()


def test_dropping_an_absent_schema(postgres_dsn: str) -> None:
    drop_schema(postgres_dsn, random_schema())


def _existing(dsn: str, schemas: list[str]) -> int:
    query = "select count(*) from pg_namespace where nspname = any(%s)"
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query, [schemas]).fetchone()
    assert row is not None
    count: int = row[0]
    return count
