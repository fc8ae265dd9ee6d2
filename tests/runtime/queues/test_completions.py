"""Functions given to `complete_with`: one transaction with the end of their job."""

import re
import sqlite3
from typing import Any

import psycopg
import pytest

import bgjobs
from bgjobs.errors import StoreUnavailableError
from bgjobs.testing import run_one
from tests.runtime.conftest import Harness
from tests.runtime.queues.one_slot import (
    ONE_RUN,
    NotAnException,
    restarts,
    run_then_prove_the_slot,
)

pytestmark = pytest.mark.anyio


async def test_work_given_to_complete_with_commits_together_with_the_job(app: Harness) -> None:
    connection = app.database.connect()
    with connection:
        connection.execute("create table bgjobs_test_effects (number integer)")
    connection.close()

    @bgjobs.worker
    async def effect(context: bgjobs.JobContext, number: int) -> None:
        context.complete_with(lambda connection: insert(connection, number))
        if number == 2:
            context.complete_with(break_down)

    try:
        good, bad = await run_then_prove_the_slot(
            app, app.config(effect, queue=ONE_RUN), effect.request(1), effect.request(2)
        )
        connection = app.database.connect()
        with connection:
            rows = list(connection.execute("select number from bgjobs_test_effects"))
        connection.close()
    finally:
        connection = app.database.connect()
        with connection:
            connection.execute("drop table bgjobs_test_effects")
        connection.close()
    assert rows == [(1,)]
    assert isinstance(good, bgjobs.SucceededJob)
    assert isinstance(bad, bgjobs.FailedJob)
    assert bad.error.startswith("ZeroDivisionError")


async def test_work_that_commits_fails_the_attempt_and_says_why(app: Harness) -> None:
    @bgjobs.worker
    async def eager(context: bgjobs.JobContext) -> None:
        context.complete_with(lambda connection: connection.execute("commit"))

    (failed,) = await run_then_prove_the_slot(
        app, app.config(eager, queue=ONE_RUN), eager.request()
    )
    assert isinstance(failed, bgjobs.FailedJob)
    assert re.search("neither commit nor roll back|do not end the transaction", failed.error)
    assert "the job has not succeeded" in failed.error


async def test_work_that_raises_a_base_exception_is_a_crash(sqlite_app: Harness) -> None:
    @bgjobs.worker
    async def poison(context: bgjobs.JobContext) -> None:
        context.complete_with(crash)

    config = sqlite_app.config(poison, limits=bgjobs.Limits(max_crashes=1), **restarts())
    (failed,) = await run_then_prove_the_slot(sqlite_app, config, poison.request())
    assert isinstance(failed, bgjobs.FailedJob)
    assert (failed.crashes, failed.interruptions) == (2, 0)


def insert(connection: Any, number: int) -> None:
    connection.execute(f"insert into bgjobs_test_effects values ({number})")


def break_down(connection: Any) -> None:
    raise ZeroDivisionError


def crash(connection: Any) -> None:
    raise NotAnException


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


async def test_run_one_raises_the_error_of_the_work() -> None:
    @bgjobs.worker
    async def archive(context: bgjobs.JobContext) -> None:
        context.complete_with(another_store_is_away)

    with pytest.raises(StoreUnavailableError, match=r"^archive\.db: away$"):
        await run_one(archive, archive.request())
