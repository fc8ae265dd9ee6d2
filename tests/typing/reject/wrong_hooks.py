"""Wrong `on_failure`: each marked line must be an error to mypy and to pyright, no other."""

import sqlite3
from typing import Any

from bgjobs import CancelledJob, FailedJob, SucceededJob, worker


@worker
async def send(to: str) -> None: ...


async def deferred(connection: Any, job: FailedJob) -> None: ...


async def both_deferred(connection: Any, job: FailedJob | CancelledJob) -> None: ...


def of_a_job(job: FailedJob) -> None: ...


def of_nothing() -> None: ...


def of_three(connection: Any, job: FailedJob, box: str) -> None: ...


def failed(connection: sqlite3.Connection, job: FailedJob) -> None: ...


def cancelled(connection: Any, job: CancelledJob) -> None: ...


def succeeded(connection: Any, job: SucceededJob) -> None: ...


def by_keyword(*, connection: Any, job: FailedJob) -> None: ...


def job_by_keyword(connection: Any, *, job: FailedJob | CancelledJob) -> None: ...


def counts(connection: Any, job: FailedJob) -> int:
    return len(job.errors)


def both(connection: Any, job: FailedJob | CancelledJob) -> None: ...


send.on_failure(of_a_job)  # E: type-var | reportArgumentType
send.on_failure(of_nothing)  # E: type-var | reportArgumentType
send.on_failure(of_three)  # E: type-var | reportArgumentType
send.on_failure(cancelled)  # E: type-var | reportArgumentType
send.on_failure(succeeded)  # E: type-var | reportArgumentType
send.on_failure(by_keyword)  # E: type-var | reportArgumentType
send.on_failure(job_by_keyword)  # E: type-var | reportArgumentType
send.on_failure("failed")  # E: call-overload | reportArgumentType
send.on_failure(failed, cancelled=True)  # E: call-overload | reportCallIssue
send.on_failure(both, cancelled=True)  # E: call-overload | reportCallIssue
send.on_failure(failed, both)  # E: call-overload | reportCallIssue

send.on_failure()(of_a_job)  # E: type-var | reportArgumentType
send.on_failure()(cancelled)  # E: type-var | reportArgumentType
send.on_failure(cancelled=False)(of_three)  # E: type-var | reportArgumentType
send.on_failure(cancelled="yes")  # E: call-overload | reportArgumentType, reportCallIssue
send.on_failure(canceled=True)  # E: call-overload | reportCallIssue

send.on_failure(cancelled=True)(failed)  # E: type-var | reportArgumentType
send.on_failure(cancelled=True)(cancelled)  # E: type-var | reportArgumentType
send.on_failure(cancelled=True)(of_a_job)  # E: type-var | reportArgumentType
send.on_failure(cancelled=True)(job_by_keyword)  # E: type-var | reportArgumentType

send.on_failure(deferred)  # E: type-var | reportArgumentType
send.on_failure()(deferred)  # E: type-var | reportArgumentType
send.on_failure(cancelled=True)(both_deferred)  # E: type-var | reportArgumentType
send.on_failure(counts)  # E: type-var | reportArgumentType

of_both = send.on_failure(cancelled=True)


@of_both  # E: type-var | reportArgumentType, reportUntypedFunctionDecorator
def decorated(connection: Any, job: FailedJob) -> None: ...
