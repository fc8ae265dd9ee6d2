"""Subclasses of Discard and Snooze that set `reason` or `delay` to any value."""

from datetime import timedelta
from typing import Any

import pytest

import bgjobs
from bgjobs.events import ChildCrashed, JobSnoozed
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio
QUEUE = {"max_retries": 0, "concurrency": 1}


@bgjobs.worker
async def healthy() -> None: ...


def discard(reason: Any) -> bgjobs.Discard:
    class Gone(bgjobs.Discard):
        def __init__(self) -> None:
            self.reason = reason

    return Gone()


def snooze(delay: Any) -> bgjobs.Snooze:
    class NotYet(bgjobs.Snooze):
        def __init__(self) -> None:
            self.delay = delay

    return NotYet()


class Unreadable(bgjobs.Discard):
    def __init__(self) -> None: ...

    @property
    def reason(self) -> str:  # type: ignore[override]  # the class is wrong on purpose
        raise LookupError("no reason")


class Loud(str):
    __slots__ = ()

    def __len__(self) -> int:
        raise LookupError("no length")


class Nameless:
    def __repr__(self) -> str:
        raise LookupError("no name")


class NeverReady(bgjobs.Snooze):
    def __init__(self) -> None: ...

    @property
    def delay(self) -> timedelta:  # type: ignore[override]  # the class is wrong on purpose
        raise SystemExit(3)


async def end_of(app: Harness, error: Exception) -> tuple[Any, bool]:
    """Return the job that raised `error`, and whether it has ended, after one more job."""

    @bgjobs.worker
    async def ordering() -> None:
        raise error

    async with bgjobs.run(app.config(ordering, healthy, queue=QUEUE)) as bg:
        job = await bg.enqueue(ordering.request())
        await bg.wait_for(await bg.enqueue(healthy.request()))
        found = await bg.find(job.id)
    assert app.recorder.of(ChildCrashed) == []
    return found, isinstance(found, bgjobs.FailedJob)


@pytest.mark.parametrize(
    ("order", "text"),
    [
        (discard(42), "42"),
        (discard(None), "None"),
        (discard(b"\xff"), r"b'\xff'"),
        (discard(Loud("gone")), "gone"),
        (discard(Nameless()), "LookupError: no name"),
        (Unreadable(), "LookupError: no reason"),
    ],
)
async def test_a_reason_that_is_no_text_still_discards_the_job(
    app: Harness, order: Exception, text: str
) -> None:
    failed, is_over = await end_of(app, order)
    assert is_over
    assert failed.error.splitlines()[0] == text
    assert failed.attempts == 0


@pytest.mark.parametrize("delay", [3600, 3600.0])
async def test_a_delay_in_seconds_is_one(app: Harness, delay: float) -> None:
    waiting, is_over = await end_of(app, snooze(delay))
    assert not is_over
    assert (waiting.attempts, waiting.reserved_by) == (0, None)
    assert [event.delay for event in app.recorder.of(JobSnoozed)] == [timedelta(hours=1)]


@pytest.mark.parametrize(
    ("order", "text"),
    [
        (snooze(None), "TypeError: Snooze: expected a number, found NoneType"),
        (snooze("5"), "TypeError: Snooze: expected a number, found str"),
        (
            snooze(timedelta(days=-3)),
            "ValueError: Snooze: expected 0 seconds to 36,500 days, found -259200 seconds",
        ),
        (
            snooze(timedelta(days=10**6)),
            "ValueError: Snooze: expected 0 seconds to 36,500 days, found 8.64e+10 seconds",
        ),
        (NeverReady(), "SystemExit: 3"),
    ],
)
async def test_an_invalid_delay_fails_the_attempt_and_says_why(
    app: Harness, order: Exception, text: str
) -> None:
    failed, is_over = await end_of(app, order)
    assert is_over
    assert failed.error.splitlines()[0] == text
