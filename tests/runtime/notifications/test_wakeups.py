"""Notifications to other processes: every few ms at most, with a write if possible."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, final

import anyio
import pytest

import bgjobs
from bgjobs._runtime.bus import Bus
from bgjobs._runtime.notifications.wakeups import NOTIFY_PAUSE, Notifier, Wakeup
from bgjobs._runtime.persistence.dispatch import Dispatch
from bgjobs.errors import StoreError
from tests.runtime.conftest import Harness, Wrapped

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def note(number: int) -> None: ...


@final
class Clock:
    """A clock that moves only when it is told to."""

    inline = False

    def __init__(self) -> None:
        self.now_is = 1000.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.now_is, UTC)

    def store_now(self) -> datetime | None:
        return None

    def monotonic(self) -> float:
        return self.now_is


class Told:
    """A store that records its notifications."""

    label = "told"
    connections = 1
    needs_notify = True

    def __init__(self) -> None:
        self.names: list[list[str]] = []
        self.fails = False

    def notify(self, names: Collection[str]) -> None:
        self.names.append(list(names))
        if self.fails:
            raise StoreError("no")


def made(store: Any, clock: Clock) -> Notifier:
    return Notifier(Dispatch(store, clock, Bus([]), 1.0), clock)


async def test_a_write_sends_the_first_notification_and_later_ones_wait() -> None:
    clock = Clock()
    notifier = made(Told(), clock)
    assert notifier.piggyback(["mail"]) == ["mail"]
    assert notifier.piggyback(["mail"]) == ()
    notifier.add(["fax", "mail"])
    clock.now_is += NOTIFY_PAUSE
    assert notifier.piggyback(["web"]) == ["fax", "mail", "web"]


async def test_a_store_that_needs_no_notify_sends_no_notification() -> None:
    store = Told()
    store.needs_notify = False
    assert made(store, Clock()).piggyback(["mail"]) == ()


@pytest.mark.parametrize("fails", [False, True], ids=["answered", "refused"])
async def test_a_notification_without_a_write_is_sent_by_itself(fails: bool) -> None:
    store, clock = Told(), Clock()
    store.fails = fails
    dispatch = Dispatch(store, clock, Bus([]), 1.0)  # type: ignore[arg-type]  # one verb of it
    notifier = Notifier(dispatch, clock)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(dispatch.threads.run)
        tasks.start_soon(notifier.run)
        try:
            for expected in (["fax", "mail"], ["web"], []):
                if expected:
                    notifier.add(expected)
                else:
                    notifier.ping()
                clock.now_is += NOTIFY_PAUSE
                with anyio.fail_after(60):
                    while expected not in store.names:
                        await anyio.sleep(0.001)
        finally:
            tasks.cancel_scope.cancel()
            dispatch.threads.finish()
    assert store.names == [["fax", "mail"], ["web"], []]


async def test_single_jobs_are_announced_with_their_write(app: Harness) -> None:
    real, calls = app.database.store(), list[str]()

    def write(*args: Any, **kwargs: Any) -> Any:
        calls.append("write")
        return real.write(*args, **kwargs)

    def notify(names: Collection[str]) -> None:
        calls.append("notify")
        real.notify(names)

    store = Wrapped(real, write=write, notify=notify)
    async with bgjobs.run(app.config(store=store, queues=[], enqueue_only=[note])) as bg:
        await bg.enqueue(note.request(1))
        assert calls == (["write", "notify"] if real.needs_notify else ["write"])


async def test_a_wakeup_set_several_times_wakes_once() -> None:
    signal = Wakeup()
    signal.set()
    signal.set()
    await signal.wait()
    with anyio.move_on_after(0) as scope:
        await signal.wait()
    assert scope.cancelled_caught
    signal.set()
    signal.clear()
    with anyio.move_on_after(0) as scope:
        await signal.wait()
    assert scope.cancelled_caught
