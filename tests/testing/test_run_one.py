"""`run_one`: one run through the real path, and its result."""

import sqlite3
import sys
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

import bgjobs
from bgjobs._core.history import PastReservation
from bgjobs._core.jobs import CancelledJob
from bgjobs._core.outcomes import Cancelled
from bgjobs.errors import PayloadError
from bgjobs.testing import run_one
from tests.fixtures.databases import Database
from tests.testing.conftest import real_time

pytestmark = pytest.mark.anyio


@attrs.frozen
class Mail:
    to: str


seen: list[Any] = []


@bgjobs.worker
async def send(context: bgjobs.JobContext, mail: Mail, copies: int = 1) -> None:
    seen.append((context.job.name, context.attempt, mail, copies))
    await anyio.lowlevel.checkpoint()


@real_time
async def test_the_arguments_are_encoded_and_decoded() -> None:
    seen.clear()
    ended = await run_one(send, send.request(Mail("a@b.c"), copies=2))
    assert seen == [("send", 1, Mail("a@b.c"), 2)]
    assert (ended.how, ended.error, ended.delay) == ("succeeded", None, None)
    assert isinstance(ended.job, bgjobs.SucceededJob)


async def test_the_exception_of_the_handler_is_raised() -> None:
    error_of_handler = ValueError("no")

    @bgjobs.worker
    async def broken() -> None:
        raise error_of_handler

    with pytest.raises(ValueError, match="no") as caught:
        await run_one(broken, broken.request())
    assert caught.value is error_of_handler


async def test_the_exception_of_the_handler_is_returned_on_request() -> None:
    @bgjobs.worker
    def broken() -> None:
        raise ValueError("no")

    ended = await run_one(broken, broken.request(), raising=False)
    assert (ended.how, type(ended.error)) == ("raised", ValueError)
    assert isinstance(ended.job, bgjobs.Job)
    assert ended.job.attempts == 1
    assert ended.job.errors[0].error.startswith("ValueError: no")


async def test_discard_and_snooze_are_returned() -> None:
    @bgjobs.worker
    async def obey(order: str) -> None:
        if order == "snooze":
            raise bgjobs.Snooze(for_=90)
        raise bgjobs.Discard("not needed")

    snoozed = await run_one(obey, obey.request("snooze"))
    assert (snoozed.how, snoozed.delay) == ("snoozed", timedelta(seconds=90))
    assert isinstance(snoozed.job, bgjobs.Job)
    assert snoozed.job.state == "delayed"
    discarded = await run_one(obey, obey.request("discard"))
    assert (discarded.how, discarded.delay) == ("discarded", None)
    assert isinstance(discarded.job, bgjobs.FailedJob)
    assert discarded.job.error == "not needed"
    [entry] = discarded.job.history
    assert isinstance(entry, PastReservation)
    assert (entry.queue, entry.node, entry.ended) == ("obey", "testing", "discarded")
    assert (entry.owner, entry.reserved_at) == (
        discarded.job.reserved_by, discarded.job.reserved_at,
    )  # fmt: skip


async def test_a_job_that_is_cancelled_meanwhile_is_returned_as_cancelled(
    tmp_path: Path,
) -> None:
    store = bgjobs.SQLiteStore(tmp_path / "jobs.db")

    @bgjobs.worker
    async def cancelled(context: bgjobs.JobContext) -> None:
        store.operations.cancel([context.job.id], Cancelled("not today", "ada"))
        raise bgjobs.Snooze(for_=90)

    ended = await run_one(cancelled, cancelled.request(), store=store)
    assert isinstance(ended.job, CancelledJob)
    assert (ended.job.reason, ended.job.cancelled_by) == ("not today", "ada")


async def test_a_timeout_is_raised_and_takes_no_real_time() -> None:
    @bgjobs.worker(timeout=3600)
    async def slow() -> None:
        await anyio.sleep_forever()

    with pytest.raises(TimeoutError, match="timed out after 3600 seconds"):
        await run_one(slow, slow.request())
    ended = await run_one(slow, slow.request(), raising=False)
    assert ended.how == "raised"
    assert str(ended.error) == "timed out after 3600 seconds"


async def test_virtual_time_does_not_pass_while_a_plain_handler_runs() -> None:
    """The timeout is virtual and the thread is real; otherwise the handler would time out."""

    @bgjobs.worker(timeout=3600)
    def plain() -> None:
        time.sleep(0.02)

    assert (await run_one(plain, plain.request())).how == "succeeded"


async def test_a_delayed_request_is_run_now() -> None:
    seen.clear()
    await run_one(send, send.request(Mail("a@b.c")).available_in(days=5))
    assert len(seen) == 1


@bgjobs.worker
async def book(context: bgjobs.JobContext, amount: int) -> None:
    context.complete_with(lambda raw: raw.execute(f"insert into bookings values ({amount})"))


async def test_complete_with_writes_to_the_given_store(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table bookings (amount integer check (amount > 0))")
        store = bgjobs.SQLiteStore(path)
        await run_one(book, book.request(5), store=store)
        assert connection.execute("select * from bookings").fetchall() == [(5,)]
        with pytest.raises(sqlite3.IntegrityError):
            await run_one(book, book.request(-5), store=store)
        assert connection.execute("select count(*) from bookings").fetchone() == (1,)


@real_time
async def test_both_databases(database: Database) -> None:
    ended = await run_one(send, send.request(Mail("a@b.c")), store=database.store())
    assert ended.how == "succeeded"


async def test_a_request_of_another_worker_is_refused() -> None:
    with pytest.raises(ValueError, match="request: expected one of 'send', found 'book'"):
        await run_one(send, book.request(1))


async def test_waiting_jobs_of_the_worker_are_refused(tmp_path: Path) -> None:
    store = bgjobs.SQLiteStore(tmp_path / "jobs.db")
    snooze = bgjobs.worker(name="snooze")(_snooze)
    await run_one(snooze, snooze.request(), store=store)
    with pytest.raises(ValueError, match="no waiting jobs of 'snooze', found some; run them"):
        await run_one(snooze, snooze.request(), store=store)


async def _snooze() -> None:
    raise bgjobs.Snooze(for_=1)


async def test_a_base_exception_is_raised_as_a_crash() -> None:
    @bgjobs.worker
    async def leave() -> None:
        raise GeneratorExit

    with pytest.raises(
        bgjobs.BgJobsError, match="handler of worker 'leave' raised GeneratorExit"
    ):
        await run_one(leave, leave.request())


@pytest.mark.parametrize("inside", [False, True])
async def test_system_exit_is_raised_like_any_exception(*, inside: bool) -> None:
    def exit_now(connection: Any) -> None:
        sys.exit(3)

    @bgjobs.worker
    async def leave(context: bgjobs.JobContext) -> None:
        if not inside:
            exit_now(None)
        context.complete_with(exit_now)

    ended = await run_one(leave, leave.request(), raising=False)
    assert (ended.how, type(ended.error)) == ("raised", SystemExit)
    assert isinstance(ended.job, bgjobs.Job)
    assert (ended.job.attempts, ended.job.crashes) == (1, 0)
    assert ended.job.errors[0].error.startswith("SystemExit: 3\n")
    with pytest.raises(SystemExit):
        await run_one(leave, leave.request())


async def test_an_unreadable_payload_is_raised() -> None:
    @bgjobs.worker(name="send")
    async def newer(mail: int) -> None: ...

    with pytest.raises(PayloadError, match="mail: expected int"):
        await run_one(newer, send.request(Mail("a@b.c")))


@pytest.mark.parametrize(
    ("settings", "state", "attempts"),
    [
        ({}, "waiting", 1),
        ({"max_retries": 1, "backoff": bgjobs.backoff.Constant(60)}, "waiting", 1),
        ({"max_retries": 0}, "failed", 0),
        ({"retry_on": TimeoutError}, "failed", 0),
        ({"retry_on": OSError}, "waiting", 1),
        ({"retry_on": lambda *_: False}, "failed", 0),
        ({"retry_on": lambda *_: timedelta(hours=1)}, "delayed", 1),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
async def test_the_policy_of_the_worker_decides_what_follows(
    settings: dict[str, Any], state: str, attempts: int, *, inside: bool
) -> None:
    def fail(connection: Any) -> None:
        raise ConnectionResetError

    @bgjobs.worker(keep_result=False, **settings)
    async def failing(context: bgjobs.JobContext) -> None:
        if not inside:
            fail(None)
        context.complete_with(fail)

    ended = await run_one(failing, failing.request(), raising=False)
    assert (ended.how, type(ended.error)) == ("raised", ConnectionResetError)
    assert (ended.job.state, ended.job.attempts) == (state, attempts)
    with pytest.raises(ConnectionResetError):
        await run_one(failing, failing.request())


@pytest.mark.parametrize("raising", [False, True])
async def test_what_retry_on_raises_is_raised_and_no_end_is_stored(
    tmp_path: Path, *, raising: bool
) -> None:
    def decide(error: BaseException, attempt: int) -> bool:
        raise LookupError(f"no answer to {error!r} of attempt {attempt}")

    @bgjobs.worker(retry_on=decide)
    async def failing() -> None:
        raise ConnectionResetError

    store = bgjobs.SQLiteStore(tmp_path / "jobs.db")
    with pytest.raises(LookupError, match=r"^no answer to .*Error\(\) of attempt 1$"):
        await run_one(failing, failing.request(), store=store, raising=raising)
    store.open()
    assert store.count().running == 1
    store.close()


async def test_the_worker_is_checked() -> None:
    for wrong, shown in [(5, "int"), (None, "None"), (send.handler, "function 'send'")]:
        worker: Any = wrong
        with pytest.raises(TypeError) as caught:
            await run_one(worker, send.request(Mail("a@b.c")))
        expected = "worker: expected a worker made by @bgjobs.worker"
        assert str(caught.value) == f"{expected}, found {shown}"


async def test_the_store_is_checked() -> None:
    cases: list[tuple[Any, str]] = [(5, "int"), (bgjobs.SQLiteStore, "the class SQLiteStore")]
    for wrong, shown in cases:
        with pytest.raises(TypeError) as caught:
            await run_one(send, send.request(Mail("a@b.c")), store=wrong)
        expected = "store: expected a store such as SQLiteStore(...)"
        assert str(caught.value) == f"{expected}, found {shown}"
