"""A seed, from its rows to the problems that were found."""

import traceback
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import final

import anyio
from attrs import frozen

from tests.reliability.hostile_rows.application import (
    EventCounts,
    Observations,
    drain,
    run_application,
)
from tests.reliability.hostile_rows.commands import Call, run_commands
from tests.reliability.hostile_rows.database import TestedDatabase
from tests.reliability.hostile_rows.rows import ENDED, WORKERS

LARGEST_GROWTH = 128 * 2**20
"""The growth of the process in bytes that is allowed; 20 rows have up to 4 MB."""
ZONES = ("America/New_York", "Asia/Tokyo", "UTC")
"""The zones of operators; in some, the first or last time lies outside the calendar."""
LOOPS = ("trio", "asyncio")
MOST_ERRORS = 20
"""The number of errors that may be reported, for any number of rows."""


@final
@frozen
class Report:
    """The problems of a run, and its figures."""

    database: TestedDatabase
    observed: Observations
    rows: Mapping[str, int]
    """The number of rows at the end, by table."""
    commands: int
    problems: list[str]

    def __str__(self) -> str:
        """Return the figures as one line."""
        database, observed = self.database, self.observed
        events, taken, grown = observed.events.counts, database.taken, observed.growth / 2**20
        counted = {
            name: events[name] for name in sorted(events) if not name.startswith("Store")
        }
        return (
            f"{taken.total()} rows taken {dict(taken)}, {database.refused} refused; "
            f"{len(observed.regular_jobs)} regular jobs done; found {dict(self.rows)}; "
            f"{self.commands} commands; grew by {grown:.1f} MB; events {counted}"
        )


def run_seed(database: TestedDatabase, seed: int, rows: int) -> Report:
    """Run one seed, and return its problems and figures."""
    observed, loop = Observations(), LOOPS[seed % len(LOOPS)]
    problems: list[str] = []
    with _recorded("run_application", problems):
        anyio.run(run_application, database, seed, rows, observed, backend=loop)
    calls = run_commands(database, ZONES[seed % len(ZONES)])
    with _recorded("drain", problems):
        anyio.run(drain, database, observed, backend=loop)
    found = {table: len(database.keys(table)) for table in (*ENDED, "jobs_unreadable")}
    deleted = {database.key_of(text) for one in calls for text in one.deleted}
    problems += [*_event_problems(observed.events), *_event_problems(observed.later_events)]
    problems += [
        *_regular_job_problems(database, observed, deleted),
        *_row_problems(database, deleted),
        *_command_problems(calls),
    ]
    if observed.growth > LARGEST_GROWTH:
        problems.append(f"memory: grew by {observed.growth:,} bytes")
    return Report(database, observed, found, len(calls), problems)


@contextmanager
def _recorded(step: str, problems: list[str]) -> Generator[None]:
    """Record an error of the application as a problem, such as a timeout."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - every error of the application is a problem
        problems.append(f"{step}: {''.join(traceback.format_exception(error))[-3000:]}")


def _event_problems(events: EventCounts) -> Iterator[str]:
    for name, most in (("ChildCrashed", 0), ("QueueError", MOST_ERRORS), ("OwnerDied", 0)):
        if events.counts[name] > most:
            yield f"events: {events.counts[name]} times {name}: {events.errors.most_common(4)}"
    if events.counts["StoreFailed"] > MOST_ERRORS + events.counts["JobUnreadable"]:
        number, texts = events.counts["StoreFailed"], events.errors.most_common(4)
        yield f"events: {number} calls failed: {texts}"


def _regular_job_problems(
    database: TestedDatabase, observed: Observations, deleted: set[str]
) -> Iterator[str]:
    regular_jobs = {database.key_of(str(one)) for one in observed.regular_jobs}
    if missing := regular_jobs - deleted - database.keys("jobs_succeeded"):
        yield f"regular jobs: {len(missing)} of {len(regular_jobs)} jobs have not succeeded"


def _row_problems(database: TestedDatabase, deleted: set[str]) -> Iterator[str]:
    """Yield jobs of the application that have not ended, or are lost."""
    if left := database.unfinished(WORKERS):
        yield f"rows: {len(left)} are due and do not end, such as {sorted(left)[:3]}"
    found = set[str]().union(*(database.keys(table) for table in ENDED))
    found |= database.keys("jobs_unreadable", "job_id")
    deleted = {key for key, shown in database.shown_ids.items() if shown in deleted}
    if lost := database.jobs - database.droppable - deleted - found:
        yield f"rows: {len(lost)} of {len(database.jobs)} are lost, such as {sorted(lost)[:3]}"


def _command_problems(calls: list[Call]) -> Iterator[str]:
    for one in calls:
        if one.problem:
            yield f"command {' '.join(one.arguments)}: {one.problem}"
