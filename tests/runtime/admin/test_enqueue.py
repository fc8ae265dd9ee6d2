"""A job that an operator enqueues, and its entry of the audit."""

from typing import Any

import pytest

import bgjobs
from bgjobs._core.requests import JobRequest
from bgjobs.errors import DuplicateJobError, NoWorkerForJobError, StoreUnavailableError
from tests.runtime.admin.helpers import fine
from tests.runtime.conftest import Harness, Wrapped

pytestmark = pytest.mark.anyio


async def recorded(client: bgjobs.Client) -> list[tuple[str | None, str, str, int | None]]:
    """Return the entries, the newest first."""
    found = await client.admin.audit()
    return [(one.author, one.action, one.subject, one.changed) for one in found]


async def test_an_enqueued_job_counts_only_if_it_is_stored(app: Harness) -> None:
    app.migrate()
    refused = fine.request().unique("k", on_conflict="raise")
    async with bgjobs.connect(app.config(fine)) as client:
        job = await client.admin.enqueue(fine.request().unique("k"), by="ada")
        same = await client.admin.enqueue(fine.request().unique("k"), by="ada")
        with pytest.raises(DuplicateJobError) as raised:
            await client.admin.enqueue(refused, by="ada")
        with pytest.raises(NoWorkerForJobError):
            await client.admin.enqueue(JobRequest("other", "{}"), by="ada")
        entries = await recorded(client)
        waiting = await client.list(bgjobs.JobFilter("waiting"))

    assert same.id == raised.value.holder == job.id
    assert [one.id for one in waiting] == [job.id]
    assert entries == [
        ("ada", "enqueue", "other", 0),
        *[("ada", "enqueue", "fine", 0)] * 2,
        ("ada", "enqueue", "fine", 1),
    ]


async def test_a_job_that_may_be_stored_or_not_leaves_its_entry_open(app: Harness) -> None:
    app.migrate()

    def write(*_: Any, **__: Any) -> None:
        raise StoreUnavailableError("no answer")

    config = app.config(
        fine, store=Wrapped(app.database.store(), write=write), store_timeout=0.1
    )
    async with bgjobs.connect(config) as client:
        with pytest.raises(StoreUnavailableError):
            await client.admin.enqueue(fine.request())
        assert await recorded(client) == [(None, "enqueue", "fine", None)]
