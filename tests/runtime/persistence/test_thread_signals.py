"""The signal that threads send to the event loop, in both forms."""

import os
import threading
from collections.abc import Callable

import anyio
import pytest

import bgjobs
from bgjobs._runtime.persistence import threads, waiter
from bgjobs._runtime.persistence.thread_signal import (
    EventFdSignal,
    SocketSignal,
    ThreadSignal,
    new_signal,
)
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio

NewSignal = Callable[[], ThreadSignal]
SIGNALS: list[NewSignal] = [SocketSignal]
if hasattr(os, "eventfd"):
    SIGNALS.append(EventFdSignal)


@pytest.fixture(params=SIGNALS)
def make(request: pytest.FixtureRequest) -> NewSignal:
    chosen: NewSignal = request.param
    return chosen


async def test_a_signal_of_a_thread_ends_the_wait(make: NewSignal) -> None:
    signal = make()
    received = anyio.Event()

    async def receive() -> None:
        await signal.receive()
        received.set()

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receive)
            await anyio.wait_all_tasks_blocked()
            assert not received.is_set()
            thread = threading.Thread(target=signal.send)
            thread.start()
            await received.wait()
    thread.join()
    signal.close()


async def test_signals_sent_before_the_wait_end_it_once(make: NewSignal) -> None:
    signal = make()
    for _ in range(3):
        signal.send()
    with anyio.fail_after(30):
        await signal.receive()
    with anyio.move_on_after(0.01) as second:
        await signal.receive()
    assert second.cancelled_caught
    signal.close()


async def test_a_signal_that_was_closed_sends_nothing(make: NewSignal) -> None:
    signal = make()
    signal.close()
    with pytest.raises((OSError, ValueError), match="file descriptor"):
        signal.send()


def test_a_system_without_eventfd_gets_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "eventfd", raising=False)
    signal = new_signal()
    assert isinstance(signal, SocketSignal)
    signal.close()


@bgjobs.worker
async def note(text: str) -> None: ...


async def test_an_application_runs_jobs_with_each(
    sqlite_app: Harness, make: NewSignal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "new_signal", make)
    monkeypatch.setattr(waiter, "new_signal", make)
    async with bgjobs.run(sqlite_app.config(note)) as bg:
        alone = await bg.wait_for(await bg.enqueue(note.request("a")))
        together = await bg.enqueue_many(note.request("b") for _ in range(3))
        ended = [await bg.wait_for(job) for job in together]
    assert {type(one) for one in (alone, *ended)} == {bgjobs.SucceededJob}
