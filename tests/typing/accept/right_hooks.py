"""Right functions for `on_failure`: checked by mypy and pyright, never run."""

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any, assert_type

import psycopg

from bgjobs import AnyJob, CancelledJob, FailedJob, JobContext, worker


@worker
async def send(to: str, copies: int = 1) -> None:
    """A worker."""


@worker(keep_result=True)
def add(context: JobContext, left: int, right: int) -> int:
    """One that keeps its results and takes a context."""
    return left + right


@send.on_failure
def in_sqlite(connection: sqlite3.Connection, job: FailedJob) -> None:
    """One that names the connection of SQLite."""
    connection.execute("insert into failures values (?, ?)", (str(job.id), job.error))


@add.on_failure
def in_postgres(connection: psycopg.Connection[Any], job: FailedJob) -> None:
    """One that names the connection of psycopg."""
    connection.execute("insert into failures values (%s, %s)", (job.id, job.error))


@send.on_failure()
def anywhere(connection: Any, job: FailedJob) -> None:
    """One for the stores of both databases."""
    connection.execute("delete from failures")


@send.on_failure(cancelled=False)
def of_object(connection: object, job: FailedJob) -> None:
    """One that needs no connection."""


@send.on_failure(cancelled=True)
def of_both(connection: psycopg.Connection[tuple[str]], job: FailedJob | CancelledJob) -> None:
    """One that is called for cancelled jobs, too."""
    text = job.error if isinstance(job, FailedJob) else job.reason
    connection.execute("insert into ends values (%s)", (text,))


@add.on_failure(cancelled=True)
def of_any_job(connection: sqlite3.Connection, job: AnyJob) -> None:
    """One that takes jobs in all states."""


@send.on_failure
def of_more(connection: Any, job: FailedJob | CancelledJob, box: str = "mails") -> None:
    """One that takes more than it is called with."""


class Box:
    """An object with functions for `on_failure`."""

    def note(self, connection: Any, job: FailedJob) -> None:
        """A method."""

    def __call__(self, connection: Any, job: FailedJob | CancelledJob) -> None:
        """An object that can be called."""


def with_box(box: str, connection: Any, job: FailedJob) -> None:
    """One with a setting of its own."""


send.on_failure(Box().note)
send.on_failure(Box())
send.on_failure(cancelled=True)(Box())
send.on_failure(partial(with_box, "mails"))

assert_type(send.on_failure(Box()), Box)
assert_type(send.on_failure(cancelled=True)(Box()), Box)


def keep_their_types(server: psycopg.Connection[Any]) -> None:
    """The decorated functions can be called as before."""
    one: Callable[[sqlite3.Connection, FailedJob], None] = in_sqlite
    both: Callable[[psycopg.Connection[tuple[str]], CancelledJob], None] = of_both
    more: Callable[[Any, FailedJob, str], None] = of_more
    of_more(server, failed(), box="letters")
    in_postgres(server, failed())
    both(server, cancelled())
    more(server, failed(), "letters")
    one(sqlite3.connect("app.db"), failed())


def failed() -> FailedJob:
    """Return a failed job."""
    raise NotImplementedError


def cancelled() -> CancelledJob:
    """Return a cancelled job."""
    raise NotImplementedError


async def enqueued() -> None:
    """The worker keeps its own type."""
    send.request("ada", copies=2)
    assert_type(add.handler, Callable[..., Any])
