"""The testing kit, used rightly: checked by mypy and pyright, never run."""

from collections.abc import Sequence
from typing import assert_type

from bgjobs import BgJobs, Config, JobContext, Store, events, worker
from bgjobs._core.jobs import AnyJob
from bgjobs.testing import (
    Drained,
    Ended,
    Recorder,
    VirtualRun,
    assert_enqueued,
    check_repeatable,
    drain,
    refute_enqueued,
    run_one,
    run_virtual,
)


@worker
async def send(to: str, copies: int = 1) -> None: ...


@worker
async def tell(ctx: JobContext, to: str) -> None: ...


def of_store(store: Store) -> None:
    assert_type(assert_enqueued(store, send), Sequence[AnyJob])
    assert_enqueued(store, send.request("a"), count=2)
    assert_enqueued(store, tell, matching=lambda to: to.startswith("a"))
    refute_enqueued(store, send, matching=lambda to, copies=1: copies > 3)


async def of_application(config: Config, bgjobs_run: VirtualRun, recorder: Recorder) -> None:
    async with run_virtual(config) as bg, bgjobs_run(config) as other:
        assert_type(bg, BgJobs)
        assert_type(other, BgJobs)
        assert_enqueued(bg, send)
        assert_type(await drain(bg, with_delayed=True), Drained)
        assert_type(recorder.one(events.JobSucceeded, send), events.JobSucceeded)
        assert_type(await recorder.wait_for(events.JobFailed), list[events.JobFailed])


async def of_handler() -> None:
    assert_type(await run_one(send, send.request("a")), Ended)
    sent: list[str] = []
    tried = await check_repeatable(
        send, send.request("a"), effects=lambda: sent, reset=sent.clear
    )
    assert_type(tried, Sequence[str])
