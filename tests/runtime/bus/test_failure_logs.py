"""A job that failed for good is logged once, with or without listeners."""

import logging
from collections.abc import Sequence
from typing import Any

import pytest

import bgjobs
from bgjobs._runtime.bus import Bus
from bgjobs.events import Event, MonitorFailed
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def send(to: str) -> None:
    raise ValueError(f"secret of {to}")


@bgjobs.worker
async def fine() -> None: ...


@bgjobs.worker
async def given_up() -> None:
    raise bgjobs.Discard("no longer wanted")


def listen(event: Event) -> None: ...


async def logged(
    app: Harness, caplog: pytest.LogCaptureFixture, listeners: Sequence[Any], **settings: Any
) -> list[str]:
    """Run a failing, a succeeding and a discarded job; return the logged warnings."""
    caplog.clear()
    queue = {"max_retries": 1}
    config = app.config(send, fine, given_up, queue=queue, listeners=listeners, **settings)
    async with bgjobs.run(config) as bg:
        await bg.enqueue_many([send.request("Ada"), fine.request(), given_up.request()])
        await bg.drain(with_delayed=True)
    warned = [one for one in caplog.records if one.levelno >= logging.WARNING]
    return [one.getMessage() for one in warned if one.name == "bgjobs"]


@pytest.mark.parametrize("listeners", [(), (listen,), (bgjobs.log_listener,)])
async def test_a_job_that_failed_for_good_is_logged_once(
    app: Harness, caplog: pytest.LogCaptureFixture, listeners: Sequence[Any]
) -> None:
    [line] = await logged(app, caplog, listeners)

    assert line.startswith("JobFailed|queue:default|job:")
    assert line.endswith("|worker:send|attempt:2")


async def test_the_log_listener_of_a_queue_logs_a_failure_once(
    sqlite_app: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    received = {"listeners": [bgjobs.log_listener], "max_retries": 0}
    config = sqlite_app.config(send, queue=received, listeners=[])
    async with bgjobs.run(config) as bg:
        await bg.enqueue(send.request("Ada"))
        await bg.drain()
    assert [one.getMessage().split("|")[0] for one in caplog.records if one.levelno >= 30] == [
        "JobFailed"
    ]


async def test_logging_of_failures_can_be_switched_off(
    sqlite_app: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    assert await logged(sqlite_app, caplog, (), log_failures=False) == []
    assert (
        len(await logged(sqlite_app, caplog, (bgjobs.log_listener,), log_failures=False)) == 1
    )


def test_a_job_that_the_monitor_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    job: Any = "a job"
    for bus in (Bus([], logs_failures=True), Bus([], logs_failures=True).scoped([])):
        caplog.clear()
        bus.emit_failure(MonitorFailed, job, "secret")
        assert [one.levelname for one in caplog.records] == ["WARNING"]
        assert "secret" not in caplog.text


async def test_the_event_of_a_failure_is_built_once() -> None:
    made, received = list[Event](), list[Event]()

    def make() -> Event:
        made.append(bgjobs.events.Pruned(1))
        return made[-1]

    Bus([received.append], logs_failures=True).emit_failure(make)
    assert len(made) == 1
    assert received == made
    Bus([]).emit_failure(make)
    assert len(made) == 1
