"""Text comes back as it was given, whatever a session or a database speaks, or is refused."""

from collections.abc import Generator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg_pool import ConnectionPool

import bgjobs
from bgjobs.errors import StoreError
from bgjobs.events import SetupFailed, StoreFailed
from bgjobs.testing import Recorder
from tests.field.test_servers import new_database
from tests.field.working import check_work, config, make_table, running
from tests.fixtures.postgres import random_schema

pytestmark = pytest.mark.anyio

CLIENTS = ["LATIN1", "SQL_ASCII", "EUC_JP", "WIN1252"]
DATABASES = ["LATIN1", "EUC_JP", "SQL_ASCII"]


@pytest.mark.parametrize("encoding", CLIENTS)
async def test_the_encoding_of_the_environment_changes_no_text(
    debian_dsn: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder()
    monkeypatch.setenv("PGCLIENTENCODING", encoding)
    with new_database(debian_dsn) as dsn:
        make_table(dsn)
        async with running(dsn, recorder) as bg:
            await check_work(bg, dsn)
    assert recorder.of(StoreFailed) == []


@pytest.fixture(params=DATABASES)
def foreign(request: pytest.FixtureRequest, debian_dsn: str) -> Generator[tuple[str, str]]:
    """A database in another encoding, and that."""
    name = random_schema()
    with psycopg.connect(debian_dsn, autocommit=True) as admin:
        admin.execute(
            f"create database {name} encoding '{request.param}' template template0 "
            "lc_collate 'C' lc_ctype 'C'".encode()
        )
        try:
            yield make_conninfo(debian_dsn, dbname=name), request.param
        finally:
            admin.execute(f"drop database {name} with (force)".encode())


@pytest.mark.parametrize("whose", ["ours", "the caller's"])
async def test_a_database_in_another_encoding_is_refused(
    foreign: tuple[str, str], whose: str
) -> None:
    dsn, encoding = foreign
    recorder = Recorder()
    kwargs = {"client_encoding": "UTF8"}
    with (
        ConnectionPool(dsn, kwargs=kwargs, min_size=0, max_size=1, open=True) as pool,
        pytest.raises(StoreError, match=f"the database's encoding is {encoding}, in"),
    ):
        given: Any = dsn if whose == "ours" else pool
        async with bgjobs.run(config(given, recorder)):
            pytest.fail("it has begun")
    assert len(recorder.of(SetupFailed)) == 1
