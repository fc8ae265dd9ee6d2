"""The resources and the client of handlers in the test tools."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import anyio.from_thread
import pytest
from attrs import evolve

import bgjobs
from bgjobs.errors import ConfigError, NotRunningError
from bgjobs.testing import assert_enqueued, check_repeatable, drain, run_one, run_virtual
from tests.fixtures.databases import Database
from tests.testing.conftest import real_time

pytestmark = pytest.mark.anyio


class Mailer(Protocol):
    async def send(self, to: str) -> None: ...


class FakeMailer:
    def __init__(self) -> None:
        self.sent: list[str] = []

    async def send(self, to: str) -> None:
        await anyio.lowlevel.checkpoint()
        self.sent.append(to)


@bgjobs.worker
async def count(number: int) -> None: ...


@bgjobs.worker
async def mail(context: bgjobs.JobContext[Mailer], to: str) -> None:
    await context.resources.send(to)
    await context.client.enqueue(count.request(len(to)))


@bgjobs.worker
def mail_by_thread(context: bgjobs.JobContext[Mailer], to: str) -> None:
    anyio.from_thread.run(context.resources.send, to)
    anyio.from_thread.run(context.client.enqueue, count.request(len(to)))


@pytest.mark.parametrize("worker", [mail, mail_by_thread])
async def test_run_one_passes_resources_and_a_client_of_the_store(
    database: Database, worker: bgjobs.Worker[[str], object]
) -> None:
    store, mailer = database.store(), FakeMailer()
    ended = await run_one(worker, worker.request("ada"), store=store, resources=mailer)
    assert (ended.how, mailer.sent) == ("succeeded", ["ada"])
    store.open()
    assert_enqueued(store, count.request(3), count=1)
    store.close()


@real_time
async def test_run_one_passes_them_in_real_time() -> None:
    mailer = FakeMailer()
    await run_one(mail, mail.request("ada"), resources=mailer)
    assert mailer.sent == ["ada"]


async def test_without_resources_that_a_handler_expects_nothing_runs() -> None:
    with pytest.raises(TypeError) as caught:
        await run_one(mail, mail.request("ada"))
    assert str(caught.value) == (
        f"resources: worker 'mail' expects {__name__}.Mailer, found None; pass resources=..."
    )
    with pytest.raises(TypeError, match="resources: worker 'mail' expects"):
        await check_repeatable(mail, mail.request("a"), effects=list, reset=list)


async def test_a_fake_need_not_have_the_type_of_the_annotation() -> None:
    @bgjobs.worker
    async def strict(context: bgjobs.JobContext[FakeMailer]) -> None:
        found: object = context.resources
        assert found == "fake"

    await run_one(strict, strict.request(), resources="fake")


@bgjobs.worker
async def wait(context: bgjobs.JobContext) -> None:
    job = await context.client.enqueue(count.request(1))
    assert await context.client.find(job.id) == job
    await context.client.wait_for(job)


async def test_a_wait_for_a_job_that_nothing_runs_raises() -> None:
    with pytest.raises(RuntimeError) as caught:
        await run_one(wait, wait.request())
    assert "has not ended, and no queue runs it in a test of one job" in str(caught.value)
    assert str(caught.value).endswith("use run_virtual")


async def test_the_client_of_run_one_ends_with_it() -> None:
    kept: list[bgjobs.Client] = []

    @bgjobs.worker
    async def keep(context: bgjobs.JobContext) -> None:
        kept.append(context.client)

    await run_one(keep, keep.request())
    with pytest.raises(NotRunningError):
        await kept[0].enqueue(count.request(1))


async def test_check_repeatable_passes_resources_and_a_client() -> None:
    mailer = FakeMailer()

    @bgjobs.worker
    async def send_once(context: bgjobs.JobContext[Mailer], to: str) -> None:
        if to not in mailer.sent:
            await context.resources.send(to)

    with pytest.raises(AssertionError, match="not repeatable"):
        await check_repeatable(
            mail,
            mail.request("ada"),
            effects=lambda: mailer.sent,
            reset=mailer.sent.clear,
            resources=mailer,
        )

    @bgjobs.worker
    async def notes(context: bgjobs.JobContext[set[str]]) -> None:
        context.resources.add("noted")
        await context.client.count()

    noted: set[str] = set()
    tried = await check_repeatable(
        notes, notes.request(), effects=lambda: noted, reset=noted.clear, resources=noted
    )
    assert len(tried) > 2


async def test_run_virtual_opens_the_lifespan_of_the_configuration() -> None:
    mailer, closed = FakeMailer(), list[str]()

    @asynccontextmanager
    async def open_mailer(client: bgjobs.Client) -> AsyncIterator[Mailer]:
        await client.enqueue(mail.request("opened").available_in(days=1))
        yield mailer
        closed.append("closed")

    config = bgjobs.Config(
        store=bgjobs.SQLiteStore("never.db"),
        queues=[bgjobs.Queue("default", workers=[mail, mail_by_thread, count])],
        lifespan=open_mailer,
    )
    async with run_virtual(config) as bg:
        await bg.enqueue(mail_by_thread.request("thread"))
        drained = (await drain(bg, with_delayed=True)).check()
        assert closed == []
    assert sorted(mailer.sent) == ["opened", "thread"]
    assert len(drained.succeeded) == 4
    assert closed == ["closed"]


async def test_run_virtual_compares_a_fake_with_the_handlers() -> None:
    @asynccontextmanager
    async def open_nothing(_: bgjobs.Client) -> AsyncIterator[int]:
        yield 5

    config = bgjobs.Config(
        store=bgjobs.SQLiteStore("never.db"),
        queues=[bgjobs.Queue("default", workers=[mail, mail_by_thread])],
    )
    with pytest.raises(ConfigError) as caught:
        async with run_virtual(evolve(config, lifespan=open_nothing)):
            raise AssertionError("it must not start")
    assert caught.value.problems == tuple(
        f"worker {name!r}: context.resources: expected {__name__}.Mailer, found int"
        for name in ("mail", "mail_by_thread")
    )


async def test_a_handler_waits_for_a_job_in_virtual_time() -> None:
    config = bgjobs.Config(
        store=bgjobs.SQLiteStore("never.db"),
        queues=[bgjobs.Queue("default", workers=[wait, count], concurrency=1)],
    )
    async with run_virtual(config) as bg:
        await bg.enqueue(wait.request())
        assert len((await drain(bg)).check().succeeded) == 2
