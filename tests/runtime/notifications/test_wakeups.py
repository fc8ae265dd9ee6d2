"""Notifications to other processes: every few ms at most, with a write if possible."""

from datetime import UTC, datetime
from typing import Any, final

import anyio
import pytest

import bgjobs
from bgjobs._runtime.bus import Bus
from bgjobs._runtime.notifications.wakeups import (
    NOTIFY_PAUSE,
    SLACK,
    Notifier,
    Wakeup,
    Wakeups,
)
from bgjobs._runtime.persistence.dispatch import Dispatch
from bgjobs.errors import StoreError
from bgjobs.events import StoreCalled
from bgjobs.stores.types import ANY_CHANGE, Notice
from tests.runtime.conftest import Harness, Wrapped, virtual_time_on_both

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
        self.notices: list[Notice] = []
        self.fails = False

    def notify(self, notice: Notice) -> None:
        self.notices.append(notice)
        if self.fails:
            raise StoreError("no")


def jobs_for(*workers: str) -> Notice:
    return Notice(frozenset(workers))


async def is_set(wakeup: Wakeup) -> bool:
    woken: list[Wakeup] = []

    async def wait() -> None:
        await wakeup.wait()
        woken.append(wakeup)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    return bool(woken)


def made(store: Any, clock: Clock) -> Notifier:
    return Notifier(Dispatch(store, clock, Bus([]), 1.0), clock)


async def test_a_write_sends_the_first_notification_and_later_ones_wait() -> None:
    clock = Clock()
    notifier = made(Told(), clock)
    assert notifier.piggyback(["mail"]) == jobs_for("mail")
    assert not notifier.piggyback(["mail"])
    notifier.add(jobs_for("fax", "mail"))
    notifier.add(Notice(commands=True))
    clock.now_is += NOTIFY_PAUSE
    sent = notifier.piggyback(["web"])
    assert sent == Notice(frozenset({"fax", "mail", "web"}), commands=True)
    clock.now_is += NOTIFY_PAUSE
    assert notifier.piggyback(["mail"]) == jobs_for("mail")


async def test_a_store_that_needs_no_notify_receives_none(sqlite_app: Harness) -> None:
    config = sqlite_app.config(note)
    assert not config.store.needs_notify
    async with bgjobs.run(config) as bg:
        [job, _] = await bg.enqueue_many([note.request(1), note.request(2)])
        await bg.wait_for(job)
        await bg.admin.pause_queue("default")
        await bg.admin.resume_queue("default")
        bg._services.announce(jobs_for("note"))  # pyright: ignore[reportPrivateUsage] - as services of bgjobs do
        await bg.wait_for(await bg.enqueue(note.request(3)))
    assert "notify" not in {one.verb for one in sqlite_app.recorder.of(StoreCalled)}


async def test_a_notice_wakes_the_tasks_that_it_concerns() -> None:
    wakeups = Wakeups()
    mail, fax = wakeups.subscribe(["mail"]), wakeups.subscribe(["fax", "web"])
    with wakeups.commands() as commands:
        woken = {"mail": mail, "fax": fax, "commands": commands}
        for notice, expected in (
            (Notice(), set[str]()),
            (jobs_for("mail", "other"), {"mail"}),
            (jobs_for("\x1borders", ""), set[str]()),
            (Notice(commands=True), {"commands"}),
            (Notice(jobs_for("web").workers, commands=True), {"fax", "commands"}),
            (Notice(workers=None), {"mail", "fax"}),
            (ANY_CHANGE, {"mail", "fax", "commands"}),
        ):
            wakeups.notify(notice)
            assert {name for name, one in woken.items() if await is_set(one)} == expected
    wakeups.notify(ANY_CHANGE)
    assert not await is_set(commands)


@pytest.mark.parametrize("fails", [False, True], ids=["answered", "refused"])
async def test_a_notification_without_a_write_is_sent_by_itself(fails: bool) -> None:
    store, clock = Told(), Clock()
    store.fails = fails
    expectations = [jobs_for("fax", "mail"), Notice(commands=True), jobs_for("web"), Notice()]
    dispatch = Dispatch(store, clock, Bus([]), 1.0)  # type: ignore[arg-type]  # one verb of it
    notifier = Notifier(dispatch, clock)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(dispatch.threads.run)
        tasks.start_soon(notifier.run)
        try:
            for expected in expectations:
                if expected:
                    notifier.add(expected)
                else:
                    notifier.ping()
                clock.now_is += NOTIFY_PAUSE
                with anyio.fail_after(60):
                    while expected not in store.notices:
                        await anyio.sleep(0.001)
        finally:
            tasks.cancel_scope.cancel()
            dispatch.threads.finish()
    assert store.notices == expectations


@virtual_time_on_both
async def test_a_notice_keeps_its_distance_from_one_that_a_write_has_taken(
    virtual_app: Harness,
) -> None:
    began, times = anyio.current_time(), list[float]()
    dispatch = Dispatch(
        Wrapped(Told(), notify=lambda _: times.append(anyio.current_time() - began)),  # type: ignore[arg-type]  # one verb of it
        virtual_app.settings["clock"],
        Bus([]),
        1.0,
    )
    notifier = Notifier(dispatch, virtual_app.settings["clock"])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(notifier.run)
        assert notifier.piggyback(["mail"])
        notifier.add(jobs_for("fax"))
        await anyio.sleep(NOTIFY_PAUSE)
        assert notifier.piggyback(["web"]) == jobs_for("fax", "web")
        await anyio.sleep(NOTIFY_PAUSE / 10)
        notifier.add(jobs_for("mail"))
        await anyio.sleep(1)
        tasks.cancel_scope.cancel()
    assert times == pytest.approx([2 * NOTIFY_PAUSE + SLACK])


async def test_single_jobs_are_announced_with_their_write(app: Harness) -> None:
    real, calls = app.database.store(), list[str]()

    def write(*args: Any, **kwargs: Any) -> Any:
        calls.append("write")
        return real.write(*args, **kwargs)

    def notify(notice: Notice) -> None:
        calls.append("notify")
        real.notify(notice)

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
