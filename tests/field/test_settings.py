"""Sessions with unusual settings or encodings of the server, the database or the client."""

from collections.abc import Generator
from typing import Any

import anyio
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool

import bgjobs
from bgjobs.errors import StoreError
from bgjobs.events import ChildCrashed, SetupFailed, StoreFailed
from bgjobs.testing import Recorder
from tests.field.applications import check_work, config, make_table, running
from tests.fixtures.postgres import execute, new_database

pytestmark = pytest.mark.anyio
on_trio = pytest.mark.parametrize("anyio_backend", ["trio"], indirect=True)

SETTINGS = {
    "no search path": ["search_path = ''"],
    "a search path that leads astray": ["search_path = nowhere, pg_temp, pg_catalog"],
    "a time zone of half hours": ["timezone = 'Asia/Kathmandu'"],
    "a time zone in POSIX's words": ["timezone = '<+14>-14'"],
    "German dates": ["datestyle = 'German, DMY'", "intervalstyle = 'sql_standard'"],
    "Postgres dates": ["datestyle = 'Postgres, DMY'", "intervalstyle = 'iso_8601'"],
    "serializable": ["default_transaction_isolation = 'serializable'"],
    "repeatable read": ["default_transaction_isolation = 'repeatable read'"],
    "deferrable": [
        "default_transaction_isolation = 'serializable'",
        "default_transaction_deferrable = on",
    ],
    "short timeouts": [
        "statement_timeout = '5s'",
        "lock_timeout = '1s'",
        "idle_in_transaction_session_timeout = '5s'",
    ],
    "text in old ways": [
        "standard_conforming_strings = off",
        "backslash_quote = off",
        "bytea_output = 'escape'",
        "array_nulls = off",
        "xmloption = 'document'",
        "extra_float_digits = -15",
    ],
    "no plans as usual": [
        "enable_indexscan = off",
        "enable_bitmapscan = off",
        "plan_cache_mode = 'force_generic_plan'",
        "max_parallel_workers_per_gather = 4",
        "jit_above_cost = 0",
    ],
    "row security off": ["row_security = off"],
    "asynchronous commits": ["synchronous_commit = off"],
    "client encoding": ["client_encoding = 'LATIN1'"],
    "triggers off": ["session_replication_role = 'replica'"],
}


def set_up(dsn: str, *settings: str) -> None:
    """Change the settings of new sessions of this database."""
    name = conninfo_to_dict(dsn)["dbname"]
    execute(dsn, *(f"alter database {name} set {one}" for one in settings))


@pytest.fixture(params=list(SETTINGS.values()), ids=list(SETTINGS))
def database(request: pytest.FixtureRequest, debian_dsn: str) -> Generator[str]:
    with new_database(debian_dsn) as dsn:
        set_up(dsn, *request.param)
        make_table(dsn)  # in a session with these settings
        yield dsn


@on_trio
async def test_an_application_works_in_unusual_sessions(database: str) -> None:
    recorder = Recorder()
    async with running(database, recorder) as bg:
        await check_work(bg, database)
        await check_work(bg, database, first=5)
    assert recorder.of(StoreFailed) == []


@on_trio
async def test_sessions_that_the_server_ends_when_idle_are_replaced(
    debian_dsn: str,
) -> None:
    recorder = Recorder()
    with new_database(debian_dsn) as database:
        make_table(database)
        set_up(database, "idle_session_timeout = '300ms'")
        async with running(database, recorder, lease=8.0) as bg:
            await check_work(bg, database)
            while not recorder.of(StoreFailed):  # at least that of the listener
                await anyio.sleep(0.05)
            await check_work(bg, database, first=5)
    assert recorder.of(ChildCrashed) == []


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
    """A database in another encoding, and the name of the encoding."""
    options = f"encoding '{request.param}' template template0 lc_collate 'C' lc_ctype 'C'"
    with new_database(debian_dsn, options) as dsn:
        yield dsn, request.param


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
