"""Group commit: one write that fails, waits or is large does not affect the others."""

from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs._runtime.persistence import batch_limits
from bgjobs.errors import StoreError, StoreUnavailableError
from bgjobs.events import ChildCrashed, JobSucceeded
from tests.runtime.conftest import Harness, Wrapped

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def note(number: int = 0) -> None:
    """Succeed."""


async def test_a_failed_look_up_after_a_lost_answer_fails_its_own_write_only(
    app: Harness,
) -> None:
    """After a lost answer the job is looked up, and the look-up fails."""
    real = app.database.store()
    lost = [StoreUnavailableError("lost")]

    def write(enqueue: Any = (), settle: Any = (), **kwargs: Any) -> Any:
        written = real.write(enqueue, settle, **kwargs)
        if settle and lost:
            raise lost.pop()
        return written

    def find(job_id: Any) -> Any:
        raise StoreError("cannot be read")

    store = Wrapped(real, write=write, find=find)
    async with bgjobs.run(app.config(note, store=store, queue={"concurrency": 1})) as bg:
        await bg.enqueue(note.request(1))
        await app.recorder.wait_for(ChildCrashed)
        await bg.enqueue(note.request(2))
        await app.recorder.wait_for(JobSucceeded)


async def test_a_batch_is_limited_by_the_size_of_its_payloads(
    app: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_limits, "HEAVIEST_BATCH", 100)
    real, batches = app.database.store(), list[int]()

    def write(enqueue: Any = (), settle: Any = (), **kwargs: Any) -> Any:
        batches.append(sum(len(new.request.payload) for new in enqueue))
        return real.write(enqueue, settle, **kwargs)

    @bgjobs.worker
    async def long(text: str) -> None: ...

    config = bgjobs.Config(store=Wrapped(real, write=write), enqueue_only=[long])
    async with bgjobs.run(config) as bg, anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(bg.enqueue, long.request("x" * 40))
    assert real_count(app) == 10
    assert max(batches) <= 100
    assert len(batches) >= 5


def real_count(app: Harness) -> int:
    with app.opened() as store:
        return store.count().waiting


async def test_a_write_that_waits_for_a_unique_key_delays_no_other(
    app: Harness,
) -> None:
    """After the first failure it is written alone, after later writes."""
    real, holder = app.database.store(), [True]

    def write(enqueue: Any = (), settle: Any = (), **kwargs: Any) -> Any:
        if holder and any(new.request.options.unique_key for new in enqueue):
            raise StoreUnavailableError("another transaction has the key")
        return real.write(enqueue, settle, **kwargs)

    config = bgjobs.Config(store=Wrapped(real, write=write), enqueue_only=[note])
    async with bgjobs.run(config) as bg, anyio.create_task_group() as group:
        group.start_soon(bg.enqueue, note.request(1).unique("key"))
        for number in range(5):
            await bg.enqueue(note.request(number))
        holder.clear()
    assert real_count(app) == 6
