"""Rows that are deleted, restored and moved between two pages; other rows are listed once."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job
from bgjobs._core.requests import JobRequest
from bgjobs._core.settlements import Fail, Requeue, Succeed
from bgjobs.stores.operations import Failures
from bgjobs.stores.pages import Page
from bgjobs.stores.types import NewJob, Owner
from tests.fixtures.databases import Database
from tests.fixtures.stores import migrated, operator_of

_LEASE = timedelta(days=1)
_COUNT, _LIMIT = 40, 6
Read = Callable[["Rows", Page], Sequence[Any]]


class Rows:
    """Jobs in one state, which are removed from it and restored."""

    def __init__(self, store: bgjobs.Store, state: str) -> None:
        self.store = store
        self.state = state
        self.operations = operator_of(store)
        self.owner = Owner(new_id(), "queue", "node")
        store.open_owner(self.owner, _LEASE)

    def add(self) -> UUID:
        """Create a job in the state."""
        asked = JobRequest("work", "[]")
        if self.state == "delayed":
            asked = asked.available_in(hours=1)
        [job] = self.store.write([NewJob(new_id(), asked)]).jobs
        if self.state not in ("waiting", "delayed"):
            self._end(job.id)
        return job.id

    def take_away(self, job_id: UUID) -> None:
        """Remove a job from the state."""
        if self.state in ("waiting", "delayed"):
            self.operations.cancel([job_id], "gone")
        elif self.state == "failed":
            self.operations.retry([job_id])
            self.operations.change([job_id], available_in=timedelta(hours=1))
        elif self.state == "running":
            held = self.store.find(job_id)
            assert isinstance(held, Job)
            back = Requeue(
                reservation=held.reservation,
                attempts=0,
                crashes=0,
                interruptions=0,
                errors=(),
                delay=timedelta(hours=1),
            )
            self.store.write(settle=[back])

    def bring_back(self, job_id: UUID) -> None:
        """Restore the job, at another position if jobs are ordered by their end."""
        if self.state in ("waiting", "delayed"):
            self.operations.retry([job_id])
            if self.state == "delayed":
                self.operations.change([job_id], available_in=timedelta(hours=1))
        elif self.state in ("failed", "running"):
            self.operations.change([job_id], available_in=timedelta(0))
            self._end(job_id)

    def _end(self, job_id: UUID) -> None:
        jobs = self.store.reserve(self.owner.id, ["work"], 100)
        assert [job.id for job in jobs] == [job_id]
        [job] = jobs
        if self.state == "succeeded":
            self.store.write(settle=[Succeed(job.reservation)])
        elif self.state == "failed":
            end = Fail(
                reservation=job.reservation,
                error="ValueError: same",
                attempts=1,
                crashes=0,
                interruptions=0,
                errors=(),
            )
            self.store.write(settle=[end])


_WORDS = ("valueerror",)
READS: dict[str, tuple[str, Read]] = {
    "get_enqueued": ("waiting", lambda rows, page: rows.store.get_enqueued(None, page)),
    "get_enqueued of one": (
        "waiting",
        lambda rows, page: rows.store.get_enqueued("work", page),
    ),
    "get_waiting": (
        "waiting",
        lambda rows, page: rows.operations.get_waiting(delayed=False, page=page),
    ),
    "get_waiting delayed": (
        "delayed",
        lambda rows, page: rows.operations.get_waiting("work", delayed=True, page=page),
    ),
    "get_running": ("running", lambda rows, page: rows.store.get_running(None, page)),
    "get_running of one": (
        "running",
        lambda rows, page: rows.store.get_running(rows.owner.id, page),
    ),
    "get_named_running": (
        "running",
        lambda rows, page: rows.operations.get_named_running("work", page),
    ),
    "get_succeeded": ("succeeded", lambda rows, page: rows.store.get_succeeded(None, page)),
    "get_succeeded of one": (
        "succeeded",
        lambda rows, page: rows.store.get_succeeded("work", page),
    ),
    "get_failed": ("failed", lambda rows, page: rows.store.get_failed(None, page)),
    "get_failed of one": ("failed", lambda rows, page: rows.store.get_failed("work", page)),
    "search": (
        "failed",
        lambda rows, page: rows.operations.get_failed(Failures(words=_WORDS), page),
    ),
    "search of one": (
        "failed",
        lambda rows, page: rows.operations.get_failed(
            Failures(name="work", words=_WORDS), page
        ),
    ),
    "ids of failed": (
        "failed",
        lambda rows, page: rows.operations.get_failed_ids(Failures(), page),
    ),
    "ids of a search": (
        "failed",
        lambda rows, page: rows.operations.get_failed_ids(Failures(words=_WORDS), page),
    ),
}


@pytest.fixture
def store(database: Database) -> Iterator[bgjobs.Store]:
    with migrated(database.store()) as store:
        yield store


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("seed", [1, 2])
def test_rows_that_stay_are_listed_once_while_others_move(
    store: bgjobs.Store, read: str, seed: int
) -> None:
    state, ask = READS[read]
    random, rows = Random(seed), Rows(store, state)
    there = [rows.add() for _ in range(_COUNT)]
    moved: set[UUID] = set()
    away: list[UUID] = []
    met: list[UUID] = []
    page = Page(_LIMIT)
    while found := ask(rows, page):
        assert len(found) <= _LIMIT
        page = page.behind(found)
        ids = [one if isinstance(one, UUID) else one.id for one in found]
        met += ids
        # They include the last row of the page, from which a cursor continues.
        leaving = {ids[-1], *random.sample(there, 2)} - set(away)
        if state != "succeeded":
            for one in leaving:
                rows.take_away(one)
            away += sorted(leaving)
            moved |= leaving
            if len(away) > 4:
                rows.bring_back(away.pop(0))
        if len(met) < 3 * _COUNT:
            rows.add()
        assert len(met) < 6 * _COUNT, "it never ends"
        if len(met) > 2 * _COUNT:
            break
    stayed = set(there) - moved
    assert stayed <= set(met)
    assert all(met.count(one) == 1 for one in stayed)
