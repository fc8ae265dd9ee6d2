"""`check_repeatable`: handlers that may run again, and those that may not."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs._core.outcomes import Cancelled
from bgjobs.testing import check_repeatable
from bgjobs.testing.repeatable import ENDED
from tests.fixtures.databases import Database
from tests.testing.conftest import real_time

pytestmark = pytest.mark.anyio


class World:
    """State that handlers change."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def reset(self) -> None:
        self.sent.clear()

    async def check(self, worker: Any, **more: Any) -> Any:
        request = worker.request("a")
        effects = more.pop("effects", lambda: self.sent)
        return await check_repeatable(
            worker, request, effects=effects, reset=more.pop("reset", self.reset), **more
        )

    async def text(self, worker: Any, **more: Any) -> str:
        with pytest.raises(AssertionError) as caught:
            await self.check(worker, **more)
        return str(caught.value)


@pytest.fixture
def world() -> World:
    return World()


@real_time
async def test_a_handler_that_checks_first_is_repeatable(world: World) -> None:
    @bgjobs.worker
    async def send(to: str) -> None:
        await anyio.lowlevel.checkpoint()
        if to not in world.sent:
            world.sent.append(to)
        await anyio.lowlevel.checkpoint()

    tried = await world.check(send)
    assert len(tried) > 4
    assert sum("was cancelled" in one for one in tried) == len(tried) // 2 - 1


async def test_a_handler_that_does_not_check_is_not_repeatable(world: World) -> None:
    @bgjobs.worker
    async def send(to: str) -> None:
        world.sent.append(to)

    text, _, advice = (await world.text(send)).rpartition("\n\n")
    assert text.splitlines() == [
        "worker 'send' is not repeatable",
        "",
        ENDED.text,
        "- is the effect of one run, + is the effect of this:",
        "  - ['a']",
        "  + ['a', 'a']",
    ]
    assert advice.startswith("A job runs at least once: ")
    assert "`context.complete_with`" in advice


async def test_plain_handlers_are_checked_too(world: World) -> None:
    @bgjobs.worker
    def send(to: str) -> None:
        world.sent.append(to)

    @bgjobs.worker
    def send_once(context: bgjobs.JobContext, to: str) -> None:
        time.sleep(0.01)  # virtual time must not pass meanwhile
        if f"{to} {context.job.id}" not in world.sent:
            world.sent.append(f"{to} {context.job.id}")

    assert "to its end, but died before the end was stored" in await world.text(send)
    assert len(await world.check(send_once)) == 2


async def test_a_wait_between_check_and_effect_is_found(world: World) -> None:
    """The handler is correct if its runs do not overlap."""

    @bgjobs.worker
    async def send(to: str) -> None:
        if to in world.sent:
            return
        await anyio.sleep(1)
        world.sent.append(to)

    text = await world.text(send)
    assert "The first owner lost its lease while its handler was at await 1 of" in text
    assert "the second owner ran the job to its end; the first handler continued." in text
    assert "  + ['a', 'a']" in text


async def test_partial_work_of_a_cancelled_handler_is_found(world: World) -> None:
    @bgjobs.worker
    async def send(to: str) -> None:
        if "done" in world.sent:
            return
        world.sent.append("began")
        await anyio.sleep(1)
        await anyio.sleep(1)
        world.sent.append("done")

    text = await world.text(send)
    assert "; the handler was cancelled; the second owner ran the job." in text
    assert "  + ['began', 'began', 'done']" in text


async def test_partial_work_that_blocks_the_next_run_is_found(world: World) -> None:
    @bgjobs.worker
    async def send(to: str) -> None:
        if "lock" in world.sent:
            raise RuntimeError("the lock is taken")
        world.sent.append("lock")
        await anyio.sleep(1)
        await anyio.sleep(1)
        world.sent.remove("lock")
        if to not in world.sent:
            world.sent.append(to)

    text = await world.text(send)
    assert text.startswith("worker 'send' is not repeatable\n\nThe first owner lost")
    assert "The job did not succeed. It failed: RuntimeError: the lock is taken" in text


@pytest.mark.parametrize(
    ("settings", "runs", "end"),
    [
        ({}, 4, "It failed: "),
        ({"max_retries": 1}, 2, "It failed: "),
        ({"retry_on": TimeoutError}, 1, "It failed: "),
        ({"max_retries": 1_000_000}, 21, "It waits for a retry: "),
    ],
)
async def test_a_second_run_that_fails_is_retried_by_the_policy_of_its_worker(
    world: World, settings: dict[str, Any], runs: int, end: str
) -> None:
    tries: list[str] = []

    @bgjobs.worker(name="send", keep_result=False, **settings)
    async def send(to: str) -> None:
        if tries:
            tries.append(to)
            raise LookupError("sent already")
        tries.append(to)
        world.sent.append(to)

    def reset() -> None:
        tries.clear()
        world.reset()

    text = await world.text(send, reset=reset)
    assert f"The job did not succeed. {end}LookupError: sent already" in text
    assert len(tries) == 1 + runs


async def test_a_handler_may_snooze_while_another_run_is_active(world: World) -> None:
    """The handler snoozes while the first run is active; the job runs again afterwards."""
    busy: list[str] = []

    @bgjobs.worker
    async def send(to: str) -> None:
        if busy:
            raise bgjobs.Snooze(for_=60)
        if to in world.sent:
            return
        busy.append(to)
        try:
            await anyio.sleep(1)
            world.sent.append(to)
        finally:
            busy.clear()

    assert len(await world.check(send)) > 3


async def test_a_lock_of_the_process_is_an_error_and_not_a_hang(world: World) -> None:
    lock = anyio.Lock()

    @bgjobs.worker
    async def send(to: str) -> None:
        async with lock:
            await anyio.sleep(1)
            if to not in world.sent:
                world.sent.append(to)

    assert "does the handler wait while it holds a lock of this process" in await world.text(
        send
    )


@pytest.fixture
def app(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "app.db", isolation_level=None)) as connection:
        connection.execute("create table mails (recipient text)")
        yield connection


async def test_effects_of_complete_with_are_written_once(
    tmp_path: Path, app: sqlite3.Connection
) -> None:
    @bgjobs.worker
    async def send(context: bgjobs.JobContext, to: str) -> None:
        insert = "insert into mails values (?)"
        context.complete_with(lambda raw: raw.execute(insert, (to,)))
        await anyio.sleep(1)

    tried = await check_repeatable(
        send,
        send.request("a"),
        effects=lambda: app.execute("select * from mails").fetchall(),
        reset=lambda: app.execute("delete from mails"),
        store=bgjobs.SQLiteStore(tmp_path / "app.db"),
    )
    assert len(tried) == 4


async def test_effects_before_the_end_are_written_twice(
    tmp_path: Path, app: sqlite3.Connection
) -> None:
    @bgjobs.worker
    async def send(to: str) -> None:
        app.execute("insert into mails values (?)", (to,))

    with pytest.raises(AssertionError, match=r"\+ \[\('a',\), \('a',\)\]"):
        await check_repeatable(
            send,
            send.request("a"),
            effects=lambda: app.execute("select * from mails").fetchall(),
            reset=lambda: app.execute("delete from mails"),
            store=bgjobs.SQLiteStore(tmp_path / "app.db"),
        )


async def test_both_databases(world: World, database: Database) -> None:
    @bgjobs.worker
    async def send(to: str) -> None:
        await anyio.sleep(1)
        world.sent[:] = [to]

    assert len(await world.check(send, store=database.store())) == 4


async def test_effects_and_reset_may_be_async(world: World) -> None:
    @bgjobs.worker
    async def send(to: str) -> None:
        world.sent[:] = [to]

    async def effects() -> list[str]:
        await anyio.lowlevel.checkpoint()
        return world.sent

    async def reset() -> None:
        await anyio.lowlevel.checkpoint()
        world.sent.clear()

    assert len(await world.check(send, effects=effects, reset=reset)) == 2


async def test_of_many_waits_some_are_tried(world: World) -> None:
    @bgjobs.worker
    async def send(to: str) -> None:
        for _ in range(50):
            await anyio.sleep(0.1)
        world.sent[:] = [to]

    tried = await world.check(send, most_places=3)
    places = [one.partition(" at await ")[2].partition(";")[0] for one in tried[3::2]]
    assert len(tried) == 2 + 3 * 2
    assert places[0] == "1 of 50"
    assert places[-1] == "50 of 50"


async def test_the_first_run_has_to_succeed(world: World) -> None:
    @bgjobs.worker
    async def send(to: str) -> None:
        raise ConnectionError("no network")

    @bgjobs.worker
    async def refuse(to: str) -> None:
        raise bgjobs.Discard("no")

    with pytest.raises(ConnectionError, match="no network"):
        await world.check(send)
    assert "One owner ran the job.\nThe job did not succeed. It failed: no" in await world.text(
        refuse
    )


async def test_a_job_that_is_cancelled_meanwhile_does_not_succeed(
    world: World, tmp_path: Path
) -> None:
    store = bgjobs.SQLiteStore(tmp_path / "jobs.db")

    @bgjobs.worker
    async def send(context: bgjobs.JobContext, to: str) -> None:
        store.operations.cancel([context.job.id], Cancelled("not today"))
        raise bgjobs.Snooze(for_=1)

    text = await world.text(send, store=store)
    assert "The job did not succeed. It was cancelled: not today" in text


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"effects": lambda: 1}, "effects: one run of 'send' did not change what they return"),
        (
            {"reset": lambda: None},
            r"reset: expected the same effects before each run, found ['a']",
        ),
    ],
)
async def test_a_check_without_an_effect_is_refused(
    world: World, more: Any, expected: str
) -> None:
    @bgjobs.worker
    async def send(to: str) -> None:
        world.sent.append(to)

    assert (await world.text(send, **more)).startswith(expected)


async def test_a_request_of_another_worker_is_refused(world: World) -> None:
    @bgjobs.worker
    async def send(to: str) -> None: ...

    @bgjobs.worker
    async def other(to: str) -> None: ...

    with pytest.raises(ValueError, match="expected one of 'send', found 'other'"):
        await check_repeatable(send, other.request("a"), effects=lambda: 1, reset=world.reset)
