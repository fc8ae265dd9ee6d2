"""Changes of all jobs of a filter: which they change, what they report, and their middle."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs.events import AdminAction
from tests.runtime.admin.helpers import NO_RETRIES, broken, fail_some, fine
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def other() -> None: ...


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bgjobs._runtime.admin.by_filter.BATCH", 2)


def idle(app: Harness) -> bgjobs.Config:
    """Return a configuration without queues."""
    return app.config(queues=[], enqueue_only=[fine, other, broken])


async def test_only_the_jobs_of_a_filter_are_cancelled(app: Harness) -> None:
    async with bgjobs.run(idle(app)) as bg:
        old = await bg.enqueue(fine.request().with_metadata(shop="x"))
        between = datetime.now(UTC)
        shop = await bg.enqueue(fine.request().with_metadata(shop="x"))
        plain, unlike = await bg.enqueue_many([fine.request(), other.request()])
        later = await bg.enqueue(fine.request().available_in(hours=1))
        filters: list[tuple[bgjobs.JobFilter[Any], bgjobs.Job]] = [
            (bgjobs.JobFilter("waiting", before=between), old),
            (bgjobs.JobFilter("waiting", metadata={"shop": "x"}), shop),
            (bgjobs.JobFilter("waiting", name="fine", after=between), plain),
            (bgjobs.JobFilter("delayed"), later),
            (bgjobs.JobFilter("waiting"), unlike),
        ]
        for number, (wanted, job) in enumerate(filters, start=1):
            seen: list[int] = []
            done = await bg.admin.cancel_all(
                wanted, reason=f"{number}", by="ann", progress=seen.append
            )
            assert (done, seen[-1]) == (1, 1)
            [newest, *_] = await bg.list(bgjobs.JobFilter("cancelled"), bgjobs.Page(9))
            ended = await bg.find(job.id)
            assert isinstance(ended, bgjobs.CancelledJob)
            assert (ended.reason, ended.cancelled_by) == (f"{number}", "ann")
            assert newest.state == "cancelled"
        assert (await bg.count()).cancelled == 5
        assert await bg.admin.cancel_all(bgjobs.JobFilter("waiting"), reason="none") == 0
    told = [(one.action, one.subject, one.count) for one in app.recorder.of(AdminAction)]
    assert told == [
        *(("cancel_all", "all", 1), ("cancel_all", "all", 1), ("cancel_all", "fine", 1)),
        *(("cancel_all", "all", 1), ("cancel_all", "all", 1), ("cancel_all", "all", 0)),
    ]


async def test_only_the_jobs_of_a_filter_are_retried(app: Harness) -> None:
    async with bgjobs.run(app.config(broken, **NO_RETRIES)) as bg:
        first = await bg.wait_for(await bg.enqueue(broken.request("x").with_metadata(a="1")))
        await fail_some(bg, "alpha", "beta")
        assert first.reserved_by is not None
    async with bgjobs.run(idle(app)) as bg:
        for wanted, expected in (
            (bgjobs.JobFilter("failed", name="other"), 0),
            (bgjobs.JobFilter("failed", search="beta"), 1),
            (bgjobs.JobFilter("failed", metadata={"a": "1"}), 1),
            (bgjobs.JobFilter("failed", queue="unknown"), 0),
            (bgjobs.JobFilter("failed", owner=first.reserved_by, queue="default"), 1),
        ):
            assert await bg.admin.retry_all(wanted, by="ann") == expected, wanted
        waiting = await bg.list(bgjobs.JobFilter("waiting"))
        assert len(waiting) == 3
        assert [job.history[-1] for job in waiting] == [
            end for job in waiting for end in job.history if isinstance(end, bgjobs.PastEnd)
        ]


async def test_a_retry_of_all_cancelled_jobs_reports_its_progress(app: Harness) -> None:
    async with bgjobs.run(idle(app)) as bg:
        jobs = await bg.enqueue_many([fine.request()] * 5)
        seen: list[int] = []
        waiting, cancelled = bgjobs.JobFilter("waiting"), bgjobs.JobFilter("cancelled")
        await bg.admin.cancel_all(waiting, reason="x", progress=seen.append)
        assert (sorted(set(seen)), seen[-1]) == (seen, 5)
        seen.clear()
        assert await bg.admin.retry_all(cancelled, progress=seen.append) == 5
        assert (sorted(set(seen)), seen[-1]) == (seen, 5)
        assert {job.id for job in await bg.list(waiting)} == {job.id for job in jobs}


async def test_a_cancellation_in_the_middle_leaves_the_other_jobs_as_they_are(
    app: Harness,
) -> None:
    waiting, cancelled = bgjobs.JobFilter("waiting"), bgjobs.JobFilter("cancelled")
    async with bgjobs.run(idle(app)) as bg:
        ids = {job.id for job in await bg.enqueue_many([fine.request()] * 7)}

        def cancel(told: Callable[[int], None]) -> Awaitable[int]:
            return bg.admin.cancel_all(waiting, reason="x", progress=told)

        def retry(told: Callable[[int], None]) -> Awaitable[int]:
            return bg.admin.retry_all(cancelled, progress=told)

        for change, begin, end in ((cancel, waiting, cancelled), (retry, cancelled, waiting)):
            scope = anyio.CancelScope()
            with scope:
                await change(partial(cancel_at_four, scope))
            assert scope.cancelled_caught
            changed = {job.id for job in await bg.list(end)}
            left = {job.id for job in await bg.list(begin)}
            assert (len(changed), changed | left) == (4, ids)
            assert await change(lambda _: None) == 3
            assert {job.id for job in await bg.list(end)} == ids
    assert [one.count for one in app.recorder.of(AdminAction)] == [4, 3, 4, 3]


def cancel_at_four(scope: anyio.CancelScope, done: int) -> None:
    if done == 4:
        scope.cancel()
