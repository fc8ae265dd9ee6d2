"""Whose `max_retries`, `backoff` and `retry_on` a run of a scheduled job follows."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

import bgjobs
from bgjobs import every
from bgjobs.backoff import Constant
from bgjobs.events import JobAttemptFailed, JobFailed, JobStarted, QueueError
from tests.runtime.conftest import Harness, virtual_time
from tests.runtime.scheduled.conftest import RARELY, application, live_for

pytestmark = [pytest.mark.anyio, virtual_time]

HOURLY = every(hours=1)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def failing(**settings: Any) -> bgjobs.Worker[[], Any]:
    """Return a worker that always fails."""

    @bgjobs.worker(name="failing", keep_result=False, **settings)
    async def work() -> None:
        raise ConnectionResetError

    return work


def delays(app: Harness) -> Sequence[timedelta]:
    return [event.retry_in for event in app.recorder.of(JobAttemptFailed)]


@pytest.mark.parametrize(
    ("of_worker", "of_job", "expected"),
    [
        ({}, {"max_retries": 2, "backoff": Constant(60)}, [MINUTE] * 2),
        ({"max_retries": 2, "backoff": Constant(60)}, {}, [MINUTE] * 2),
        ({"max_retries": 9, "backoff": Constant(60)}, {"max_retries": 1}, [MINUTE]),
        (
            {"max_retries": 2, "backoff": Constant(60)},
            {"backoff": lambda _: SECOND},
            [SECOND] * 2,
        ),
        ({"max_retries": 9}, {"max_retries": 0}, []),
        (
            {"retry_on": lambda _, attempt: attempt * SECOND, "backoff": Constant(60)},
            {"max_retries": 2},
            [SECOND, 2 * SECOND],
        ),
        ({"retry_on": TimeoutError}, {}, []),
    ],
)
async def test_those_of_the_scheduled_job_precede_those_of_the_worker(
    virtual_app: Harness,
    of_worker: dict[str, Any],
    of_job: dict[str, Any],
    expected: list[timedelta],
) -> None:
    worker = failing(**of_worker)
    job = bgjobs.ScheduledJob(worker, HOURLY, poll_interval=RARELY, **of_job)
    await live_for(application(virtual_app, job), 2 * 3600 + 1800)
    assert delays(virtual_app) == expected * 2
    failed = virtual_app.recorder.of(JobFailed)
    assert [event.job.attempts for event in failed] == [len(expected)] * 2


async def test_without_any_a_run_is_retried_three_times_with_growing_pauses(
    virtual_app: Harness,
) -> None:
    job = bgjobs.ScheduledJob(failing(), HOURLY, poll_interval=RARELY)
    await live_for(application(virtual_app, job), 3600 + 1800)
    for delay, most in zip(delays(virtual_app), (2, 4, 8), strict=True):
        assert timedelta(0) <= delay <= most * SECOND


@pytest.mark.parametrize(
    ("of_worker", "starts"), [({}, 2), ({"max_retries": 3}, 4), ({"max_retries": 0}, 1)]
)
async def test_a_job_that_is_no_run_follows_its_worker_before_the_scheduled_job(
    virtual_app: Harness, of_worker: dict[str, Any], starts: int
) -> None:
    worker = failing(**of_worker)
    yearly = bgjobs.ScheduledJob(
        worker, every(days=360), max_retries=1, backoff=Constant(1), poll_interval=RARELY
    )
    async with bgjobs.run(application(virtual_app, yearly)) as bg:
        failed = await bg.wait_for(await bg.enqueue(worker.request()))
    assert isinstance(failed, bgjobs.FailedJob)
    assert len(virtual_app.recorder.of(JobStarted)) == starts == len(failed.errors)


def raise_error(*_: object) -> Any:
    raise LookupError("no answer")


@pytest.mark.parametrize("setting", ["retry_on", "backoff"])
async def test_what_fails_is_reported_to_the_listeners_of_the_scheduled_job(
    virtual_app: Harness, setting: str
) -> None:
    seen: list[Any] = []
    job = bgjobs.ScheduledJob(
        failing(**{setting: raise_error}),
        HOURLY,
        max_retries=1,
        poll_interval=RARELY,
        listeners=[seen.append],
    )
    await live_for(application(virtual_app, job), 3600 + 1800)
    texts = [str(event.error) for event in seen if isinstance(event, QueueError)]
    assert set(texts) == {"no answer"}
    assert len(delays(virtual_app)) == 1
