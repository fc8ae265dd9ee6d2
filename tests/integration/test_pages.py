"""Rows that are deleted, restored and moved between two pages; other rows are listed once."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job, State
from bgjobs._core.outcomes import Cancelled
from bgjobs._core.requests import JobRequest
from bgjobs.stores.filters import JobFilter
from bgjobs.stores.pages import Listing, Page
from bgjobs.stores.types import NewJob, Owner
from bgjobs.testing.contract.steps import cancel, fail, requeue, succeed
from tests.fixtures.databases import Database
from tests.fixtures.stores import migrated, operator_of

_LEASE = timedelta(days=1)
_COUNT, _LIMIT = 40, 6
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


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
            self.operations.cancel([job_id], Cancelled("gone"))
        elif self.state in ("failed", "cancelled"):
            self.operations.retry([job_id])
            self.operations.change([job_id], available_in=timedelta(hours=1))
        elif self.state == "running":
            held = self.store.find(job_id)
            assert isinstance(held, Job)
            self.store.write(settle=[requeue(held, delay=timedelta(hours=1))])

    def bring_back(self, job_id: UUID) -> None:
        """Restore the job, at another position if jobs are ordered by their end."""
        if self.state in ("waiting", "delayed"):
            self.operations.retry([job_id])
            if self.state == "delayed":
                self.operations.change([job_id], available_in=timedelta(hours=1))
        elif self.state in ("failed", "cancelled", "running"):
            self.operations.change([job_id], available_in=timedelta(0))
            self._end(job_id)

    def _end(self, job_id: UUID) -> None:
        jobs = self.store.reserve(self.owner.id, ["work"], 100)
        assert [job.id for job in jobs] == [job_id]
        [job] = jobs
        if self.state == "succeeded":
            self.store.write(settle=[succeed(job)])
        elif self.state == "failed":
            self.store.write(settle=[fail(job, "ValueError: same")])
        elif self.state == "cancelled":
            self.store.write(settle=[cancel(job)])


FILTERS: dict[str, Callable[["Rows"], JobFilter[State]]] = {
    "waiting": lambda rows: JobFilter("waiting"),
    "waiting, of one": lambda rows: JobFilter("waiting", name="work"),
    "waiting, created since": lambda rows: JobFilter("waiting", after=_LONG_AGO),
    "delayed": lambda rows: JobFilter("delayed"),
    "delayed, of one": lambda rows: JobFilter("delayed", name="work"),
    "running": lambda rows: JobFilter("running"),
    "running, of one": lambda rows: JobFilter("running", name="work"),
    "running, of an owner": lambda rows: JobFilter("running", owner=rows.owner.id),
    "running, of a queue": lambda rows: JobFilter("running", queue=rows.owner.name),
    "succeeded": lambda rows: JobFilter("succeeded"),
    "succeeded, of one": lambda rows: JobFilter("succeeded", name="work"),
    "succeeded, of a queue": lambda rows: JobFilter("succeeded", queue=rows.owner.name),
    "failed": lambda rows: JobFilter("failed"),
    "failed, of one": lambda rows: JobFilter("failed", name="work"),
    "failed, of an owner": lambda rows: JobFilter("failed", owner=rows.owner.id),
    "search": lambda rows: JobFilter("failed", search="valueerror"),
    "search, of one": lambda rows: JobFilter("failed", name="work", search="valueerror"),
    "search, of a queue": lambda rows: JobFilter(
        "failed", queue=rows.owner.name, search="valueerror"
    ),
    "cancelled": lambda rows: JobFilter("cancelled"),
    "cancelled, of one": lambda rows: JobFilter("cancelled", name="work"),
    "cancelled, of a queue": lambda rows: JobFilter("cancelled", queue=rows.owner.name),
}


@pytest.fixture
def store(database: Database) -> Iterator[bgjobs.Store]:
    with migrated(database.store()) as store:
        yield store


@pytest.mark.parametrize("verb", ["list", "list_ids"])
@pytest.mark.parametrize("wanted", FILTERS)
@pytest.mark.parametrize("seed", [1, 2])
def test_rows_that_stay_are_listed_once_while_others_move(
    store: bgjobs.Store, verb: str, wanted: str, seed: int
) -> None:
    state, _, _ = wanted.replace("search", "failed").partition(",")
    random, rows = Random(seed), Rows(store, state)
    selected = FILTERS[wanted](rows)
    assert selected.state == state
    read = store.list if verb == "list" else rows.operations.list_ids
    there = [rows.add() for _ in range(_COUNT)]
    moved: set[UUID] = set()
    away: list[UUID] = []
    met: list[UUID] = []
    page: Page | None = Page(_LIMIT)
    while page is not None:
        found: Listing[Any] = read(selected, page)
        assert len(found) <= _LIMIT
        page = None if found.after is None else Page(_LIMIT, found.after)
        ids = [one if isinstance(one, UUID) else one.id for one in found]
        met += ids
        # They include the last row of the page, from which a cursor continues.
        leaving = {*ids[-1:], *random.sample(there, 2)} - set(away)
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
