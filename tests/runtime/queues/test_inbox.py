"""The inbox hands each attempt to one slot, in order, however many slots wait."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs._core.ids import new_id, new_ids
from bgjobs._core.jobs import Job
from bgjobs._runtime.queues.attempt import Attempt
from bgjobs._runtime.queues.inbox import TURN, Inbox

pytestmark = pytest.mark.anyio

NOW = datetime(2030, 1, 1, tzinfo=UTC)
OWNER = new_id()


@bgjobs.worker
async def mail() -> None:
    """Never called in these tests."""


def some_attempts(count: int) -> list[Attempt]:
    jobs = [
        Job(
            id=one,
            name="mail",
            payload="{}",
            created_at=NOW,
            available_at=NOW,
            reserved_by=OWNER,
            reserved_at=NOW,
            reservations=1,
        )
        for one in new_ids(count)
    ]
    environment: Any = None  # not used, as no handler is called
    return [Attempt(mail, job, environment) for job in jobs]


async def take_all(inbox: Inbox, taken: list[Attempt], *, slowly: bool) -> None:
    while (attempt := await inbox.next()) is not None:
        taken.append(attempt)
        if slowly:
            await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("slowly", [True, False], ids=["slots wait", "slots never wait"])
async def test_each_attempt_is_taken_once_and_in_order(slowly: bool) -> None:
    inbox, taken, attempts = Inbox(), list[Attempt](), some_attempts(300)
    async with anyio.create_task_group() as slots:
        for _ in range(20):
            slots.start_soon(lambda: take_all(inbox, taken, slowly=slowly))
        await anyio.wait_all_tasks_blocked()
        for first in range(0, 300, 50):
            inbox.put(attempts[first : first + 50])
            await anyio.wait_all_tasks_blocked()
        inbox.close()
    assert taken == attempts


async def test_every_slot_gets_an_attempt_if_all_handlers_wait() -> None:
    inbox, busy, go_on = Inbox(), list[Attempt](), anyio.Event()

    async def slot() -> None:
        while (attempt := await inbox.next()) is not None:
            busy.append(attempt)
            await go_on.wait()

    async with anyio.create_task_group() as slots:
        for _ in range(50):
            slots.start_soon(slot)
        await anyio.wait_all_tasks_blocked()
        inbox.put(some_attempts(60))
        await anyio.wait_all_tasks_blocked()
        assert (len(busy), len(inbox)) == (50, 10)
        inbox.close()
        go_on.set()
    assert len(busy) == 60


async def test_a_slot_that_is_cancelled_while_it_waits_takes_no_attempt() -> None:
    inbox, taken = Inbox(), list[Attempt]()
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as slots:
            slots.start_soon(lambda: take_all(inbox, taken, slowly=False))
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
    inbox.put(some_attempts(2))
    assert len(inbox) == 2
    assert taken == []


async def test_waiting_attempts_can_be_taken_back() -> None:
    inbox, attempts = Inbox(), some_attempts(3)
    inbox.put(attempts)
    assert inbox.take_back() == attempts
    inbox.close()
    assert await inbox.next() is None


async def test_if_handlers_never_wait_one_slot_works_and_pauses_for_other_tasks() -> None:
    inbox, attempts, taken, workers = Inbox(), some_attempts(300), list[Attempt](), set[int]()
    passes = list[int]()

    async def slot(number: int) -> None:
        while (attempt := inbox.pop() or await inbox.next()) is not None:
            taken.append(attempt)
            workers.add(number)
            await inbox.pause(len(taken) * TURN / 10)

    async def beside() -> None:
        while len(taken) < len(attempts):
            passes.append(len(taken))
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as slots:
        for number in range(20):
            slots.start_soon(slot, number)
        await anyio.wait_all_tasks_blocked()
        slots.start_soon(beside)
        inbox.put(attempts)
        inbox.close()  # those that rest have to end, too
    assert taken == attempts
    assert len(workers) == 1
    # A turn has ten jobs; Trio runs its tasks in any order, so two may lie between.
    assert max(later - earlier for earlier, later in pairwise(passes)) <= 30


async def test_if_the_working_slot_is_blocked_another_one_goes_on() -> None:
    inbox, taken, go_on = Inbox(), list[Attempt](), anyio.Event()
    attempts = some_attempts(100)

    async def slot() -> None:
        while (attempt := inbox.pop() or await inbox.next()) is not None:
            taken.append(attempt)
            if attempt is attempts[50]:
                await go_on.wait()
            await inbox.pause(len(taken) * TURN / 10)

    async with anyio.create_task_group() as slots:
        for _ in range(3):
            slots.start_soon(slot)
        inbox.put(attempts)
        await anyio.wait_all_tasks_blocked()
        assert taken == attempts
        go_on.set()
        inbox.close()


async def test_a_recalled_slot_ends_before_it_takes_another_attempt() -> None:
    inbox = Inbox()
    inbox.put(some_attempts(2))
    inbox.recall()
    assert inbox.pop() is None
    assert await inbox.next() is None
    inbox.recalled -= 1  # as when the slot has ended
    assert inbox.pop() is not None
    assert await inbox.next() is not None


async def test_an_idle_slot_that_is_recalled_ends_and_the_others_take_all_attempts() -> None:
    inbox, taken = Inbox(), list[Attempt]()

    async def slot() -> None:
        await take_all(inbox, taken, slowly=True)
        ended.append(inbox.recalled)
        inbox.recalled -= 1

    ended: list[int] = []
    async with anyio.create_task_group() as slots:
        for _ in range(5):
            slots.start_soon(slot)
        await anyio.wait_all_tasks_blocked()
        attempts = some_attempts(10)
        inbox.put(attempts)
        inbox.recall()
        inbox.recall()
        await anyio.wait_all_tasks_blocked()
        assert ended == [2, 1]
        assert set(taken) == set(attempts)
        inbox.close()
