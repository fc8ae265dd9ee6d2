"""Wrong uses: each marked line must be an error to mypy and to pyright, no other line."""

from collections.abc import AsyncIterator

from bgjobs import Job, JobContext, worker


async def arriving() -> AsyncIterator[bytes]:
    yield b""


@worker
async def reports(context: JobContext) -> None:
    await context.report_progress()  # E: call-arg | reportCallIssue
    await context.report_progress("1")  # E: arg-type | reportArgumentType
    await context.report_progress(1, "2")  # E: arg-type | reportArgumentType
    await context.report_progress(1, 2, 3)  # E: arg-type | reportArgumentType
    context.report_progress(1)  # E: unused-coroutine | reportUnusedCoroutine
    context.progress(5)  # E: call-overload | reportArgumentType, reportCallIssue
    context.progress([], "rows")  # E: call-overload | reportCallIssue
    list(context.progress(arriving()))  # E: call-overload | reportArgumentType


def read(job: Job) -> None:
    assert job.progress.done  # E: union-attr | reportOptionalMemberAccess


worker(max_silence="soon")  # E: call-overload | reportArgumentType
