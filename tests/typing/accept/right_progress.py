"""Right uses of progress: checked by mypy and pyright, never run."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from typing import assert_type

from bgjobs import Job, JobContext, JobRequest, NotKept, Progress, worker
from bgjobs.events import JobProgressed


async def arriving() -> AsyncIterator[bytes]:
    yield b""


def rows() -> Iterator[tuple[int, str]]:
    yield 1, ""


@worker(max_silence=30)
async def reports(context: JobContext, names: list[str]) -> None:
    await context.report_progress(1)
    await context.report_progress(1, 2.5, "half")
    await context.report_progress(done=1, total=None, note=None)
    context.report_progress_sync(1, total=2)
    async for name in context.progress(names):
        assert_type(name, str)
    async for number, text in context.progress(rows(), total=5, note="rows"):
        assert_type((number, text), tuple[int, str])
    async for chunk in context.progress(arriving()):
        assert_type(chunk, bytes)
    found = [name async for name in context.progress(set(names))]
    assert_type(found, list[str])


@worker(max_silence=timedelta(seconds=30), timeout=60)
def reports_in_a_thread(context: JobContext, count: int) -> None:
    for number in context.progress(range(count)):
        assert_type(number, int)
    assert_type(list(context.progress({"a": 1})), list[str])


assert_type(reports.request(["a"]), JobRequest[NotKept])
assert_type(reports.max_silence, float | None)


def read(job: Job, event: JobProgressed) -> None:
    assert_type(job.progress, Progress | None)
    assert_type(event.progress, Progress)
    progress = event.progress
    assert_type((progress.done, progress.total), tuple[float, float | None])
    assert_type((progress.fraction, progress.note), tuple[float | None, str | None])
    assert_type(progress.reported_at, datetime)
