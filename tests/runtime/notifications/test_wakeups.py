"""Other processes are told at most every few milliseconds, with a write where there is one."""

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
    """Stands still unless it is moved."""

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
    """A store that notes what watchers are told."""

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


async def test_a_write_takes_the_first_news_along_and_those_right_behind_it_wait() -> None:
    clock = Clock()
    notifier = made(Told(), clock)
    assert notifier.along(["mail"]) == ["mail"]
    assert notifier.along(["mail"]) == ()
    notifier.tell(["fax", "mail"])
    clock.now_is += NOTIFY_PAUSE
    assert notifier.along(["web"]) == ["fax", "mail", "web"]


async def test_where_watchers_see_for_themselves_nothing_is_taken_along() -> None:
    store = Told()
    store.needs_notify = False
    assert made(store, Clock()).along(["mail"]) == ()


@pytest.mark.parametrize("fails", [False, True], ids=["answered", "refused"])
async def test_what_no_write_took_along_is_told_by_itself(fails: bool) -> None:
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
                    notifier.tell(expected)
                else:
                    notifier.sound()
                clock.now_is += NOTIFY_PAUSE
                with anyio.fail_after(60):
                    while expected not in store.names:
                        await anyio.sleep(0.001)
        finally:
            tasks.cancel_scope.cancel()
            dispatch.threads.finish()
    assert store.names == [["fax", "mail"], ["web"], []]


async def test_jobs_that_come_one_by_one_are_told_of_with_their_write(app: Harness) -> None:
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


async def test_a_signal_is_heard_once_however_often_it_was_set() -> None:
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
