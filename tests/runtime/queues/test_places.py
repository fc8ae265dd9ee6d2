"""Places of a queue: which handler goes on when a slot ends, without a queue around it."""

from datetime import UTC, datetime
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import TaskGroup

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job
from bgjobs._runtime.notifications.wakeups import Wakeup
from bgjobs._runtime.queues.attempt import Attempt
from bgjobs._runtime.queues.inbox import Inbox
from bgjobs._runtime.queues.places import Places
from bgjobs._runtime.queues.state import QueueState

pytestmark = pytest.mark.anyio

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@bgjobs.worker
async def mail() -> None:
    """Never called in these tests."""


class Rig:
    """Places of attempts that wait for gates; slots are started and ended by the tests."""

    def __init__(self, group: TaskGroup) -> None:
        no_bus: Any = None
        self.group = group
        self.inbox = Inbox()
        self.state = QueueState(bgjobs.Queue("q", workers=[mail]), no_bus, Wakeup())
        self.started = 0
        self.places = Places(self.state, self.inbox, self._start_slot)
        self.went_on: list[Attempt] = []

    def _start_slot(self) -> None:
        self.started += 1

    def attempt(self) -> Attempt:
        job = Job(id=new_id(), name="mail", payload="{}", created_at=NOW, available_at=NOW)
        environment: Any = None
        attempt = Attempt(mail, job, environment)
        attempt._scope = anyio.CancelScope()
        self.state.hold(attempt)
        return attempt

    def wait(self, attempt: Attempt) -> anyio.Event:
        """Begin a wait of a handler, and return what ends it."""
        gate = anyio.Event()

        async def handler() -> None:
            async with self.places.given_away(attempt):
                await gate.wait()
            self.went_on.append(attempt)

        self.group.start_soon(handler)
        return gate

    async def needs_place(self, attempt: Attempt) -> None:
        """Bring a handler to where it has waited and needs a place."""
        gate = self.wait(attempt)
        await anyio.wait_all_tasks_blocked()
        gate.set()
        await anyio.wait_all_tasks_blocked()

    async def leave(self) -> list[Attempt]:
        """End a slot, and return which handlers have gone on so far."""
        self.places.leave()
        await anyio.wait_all_tasks_blocked()
        return self.went_on


async def test_each_wait_starts_a_slot_and_each_end_of_one_needs_a_place() -> None:
    async with anyio.create_task_group() as group:
        rig = Rig(group)
        first, second = rig.attempt(), rig.attempt()
        await rig.needs_place(first)
        await rig.needs_place(second)
        assert (rig.started, rig.inbox.recalled, rig.went_on) == (2, 2, [])
        assert await rig.leave() == [first]
        assert await rig.leave() == [first, second]
        assert rig.inbox.recalled == 0


async def test_the_place_of_a_slot_that_has_ended_is_free() -> None:
    async with anyio.create_task_group() as group:
        rig = Rig(group)
        attempt = rig.attempt()
        rig.places.leave()
        await rig.needs_place(attempt)
        assert (rig.went_on, rig.inbox.recalled) == ([attempt], 0)
        await rig.needs_place(attempt)
        assert rig.inbox.recalled == 1
        assert await rig.leave() == [attempt] * 2


async def test_a_slot_ends_for_a_cancelled_handler_before_another_goes_on() -> None:
    async with anyio.create_task_group() as group:
        rig = Rig(group)
        cancelled, other = rig.attempt(), rig.attempt()
        await rig.needs_place(other)
        await rig.needs_place(cancelled)
        rig.places.go_on(cancelled)
        await anyio.wait_all_tasks_blocked()
        assert (rig.went_on, rig.inbox.recalled) == ([cancelled], 2)
        assert await rig.leave() == [cancelled]
        assert await rig.leave() == [cancelled, other]


async def test_a_handler_that_was_cancelled_while_it_waited_goes_on_at_once() -> None:
    async with anyio.create_task_group() as group:
        rig = Rig(group)
        attempt = rig.attempt()
        assert attempt._scope is not None
        attempt._scope.cancel()
        await rig.needs_place(attempt)
        while not rig.went_on:
            await anyio.lowlevel.checkpoint()
        assert rig.inbox.recalled == 1
        await rig.leave()
        assert rig.inbox.recalled == 0


async def test_a_handler_that_begins_another_wait_needs_no_place_meanwhile() -> None:
    async with anyio.create_task_group() as group:
        rig = Rig(group)
        first, twice = rig.attempt(), rig.attempt()
        await rig.needs_place(first)
        await rig.needs_place(twice)
        gate = rig.wait(twice)
        await anyio.wait_all_tasks_blocked()
        assert (rig.went_on, rig.inbox.recalled, rig.started) == ([twice], 1, 2)
        gate.set()
        await anyio.wait_all_tasks_blocked()
        assert await rig.leave() == [twice, first]
        assert await rig.leave() == [twice, first, twice]


async def test_the_waits_of_one_handler_give_one_place_away() -> None:
    async with anyio.create_task_group() as group:
        rig = Rig(group)
        attempt = rig.attempt()
        gates = [rig.wait(attempt) for _ in range(3)]
        await anyio.wait_all_tasks_blocked()
        assert (rig.started, rig.state.occupying) == (1, 0)
        for gate in gates[:2]:
            gate.set()
        await anyio.wait_all_tasks_blocked()
        assert (rig.went_on, rig.inbox.recalled) == ([attempt] * 2, 0)
        gates[2].set()
        await anyio.wait_all_tasks_blocked()
        assert (rig.went_on, rig.inbox.recalled, rig.state.occupying) == ([attempt] * 2, 1, 1)
        assert await rig.leave() == [attempt] * 3


async def test_after_its_handler_a_wait_changes_no_place() -> None:
    async with anyio.create_task_group() as group:
        rig = Rig(group)
        ended, settled, late = rig.attempt(), rig.attempt(), rig.attempt()
        ended.ended = 1.0
        rig.state.release(settled)
        await rig.needs_place(ended)
        await rig.needs_place(settled)
        assert (rig.went_on, rig.started, rig.inbox.recalled) == ([ended, settled], 0, 0)
        gate = rig.wait(late)
        await anyio.wait_all_tasks_blocked()
        late.ended = 1.0  # its slot has gone on to other jobs
        gate.set()
        await anyio.wait_all_tasks_blocked()
        assert (rig.went_on, rig.inbox.recalled) == ([ended, settled, late], 1)
