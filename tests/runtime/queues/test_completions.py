"""A fault of the work given to `complete_with` is one of the attempt, not of the store."""

import sqlite3
from typing import Any

import psycopg
import pytest

import bgjobs
from bgjobs.errors import StoreUnavailableError
from bgjobs.testing import run_one
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio


def another_store_is_away(_: object) -> None:
    raise StoreUnavailableError("archive.db: away")


def another_database_is_away(_: object) -> None:
    try:
        raise psycopg.OperationalError("no route to host")
    except psycopg.OperationalError as error:
        raise StoreUnavailableError("archive: away") from error


def another_database_is_locked(_: object) -> None:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    raise StoreUnavailableError("archive.db: locked") from error


FAULTS = [another_store_is_away, another_database_is_away, another_database_is_locked]


@pytest.mark.parametrize("fault", FAULTS)
async def test_another_store_that_is_away_inside_work_fails_the_attempt(
    app: Harness, fault: Any
) -> None:
    calls = list[object]()

    @bgjobs.worker
    async def archive(context: bgjobs.JobContext) -> None:
        context.complete_with(calls.append)
        context.complete_with(fault)

    async with bgjobs.run(app.config(archive, queue={"max_retries": 1})) as bg:
        failed = await bg.wait_for(await bg.enqueue(archive.request()))
    assert isinstance(failed, bgjobs.FailedJob)
    assert failed.error.startswith("StoreUnavailableError: archive")
    assert (failed.attempts, len(calls)) == (1, 2)


async def test_the_testing_kit_raises_it_too() -> None:
    @bgjobs.worker
    async def archive(context: bgjobs.JobContext) -> None:
        context.complete_with(another_store_is_away)

    with pytest.raises(StoreUnavailableError, match=r"^archive\.db: away$"):
        await run_one(archive, archive.request())
