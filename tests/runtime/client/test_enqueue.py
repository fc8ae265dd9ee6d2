"""`before_enqueue`, unique keys and faulty stores: an error reaches its own caller only."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs.errors import DuplicateJobError, StoreError
from bgjobs.stores.types import Written
from tests.fixtures.listings import unreserved
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def greet(name: str = "Ada") -> None: ...


async def test_the_request_returned_by_before_enqueue_is_stored(sqlite_app: Harness) -> None:
    config = sqlite_app.config(
        greet, before_enqueue=lambda request: request.with_metadata(by="the test")
    )
    async with bgjobs.run(config) as bg:
        job = await bg.enqueue(greet.request("Ada").with_metadata(mine="1"))
        assert job.metadata == {"mine": "1", "by": "the test"}


async def test_an_unknown_worker_returned_by_before_enqueue_is_refused(
    sqlite_app: Harness,
) -> None:
    other = bgjobs.JobRequest("other", "{}")
    async with bgjobs.run(sqlite_app.config(greet, before_enqueue=lambda _: other)) as bg:
        with pytest.raises(bgjobs.errors.NoWorkerForJobError, match="'other'"):
            await bg.enqueue(greet.request("Ada"))


def test_before_enqueue_has_to_be_a_function(sqlite_app: Harness) -> None:
    with pytest.raises(bgjobs.errors.ConfigError, match="before_enqueue: expected a function"):
        sqlite_app.config(greet, before_enqueue="stamp")


MEANT = "; did you mean greet.request(...)?"


async def test_the_request_returned_by_before_enqueue_is_checked(sqlite_app: Harness) -> None:
    wrong: Any = lambda _: greet  # noqa: E731 - typed as Any
    async with bgjobs.run(sqlite_app.config(greet, before_enqueue=wrong)) as bg:
        with pytest.raises(TypeError) as caught:
            await bg.enqueue(greet.request())
        assert str(caught.value) == (
            f"before_enqueue: expected a JobRequest, found Worker 'greet'{MEANT}"
        )
        assert await unreserved(bg) == []


class Odd:
    """A user's store whose `write` returns or raises something unexpected for one payload."""

    def __init__(self, store: bgjobs.Store, answer: Callable[[], Any]) -> None:
        self._store = store
        self._answer = answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def write(self, enqueue: Any = (), settle: Any = (), **more: Any) -> Any:
        if any("bad" in new.request.payload for new in enqueue):
            return self._answer()
        return self._store.write(enqueue, settle, **more)


def _raise(error: BaseException) -> Any:
    raise error


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda: _raise(AttributeError("odd")), AttributeError),
        (lambda: _raise(StopIteration("odd")), RuntimeError),
        (lambda: _raise(SystemExit(7)), StoreError),
        (lambda: None, StoreError),
        (lambda: Written((), ()), StoreError),
    ],
)
@pytest.mark.parametrize("at_once", [1, 3])
async def test_a_faulty_store_fails_only_the_callers_concerned(
    app: Harness, answer: Callable[[], Any], kind: type[Exception], at_once: int
) -> None:
    store: Any = Odd(app.database.store(), answer)
    failed = list[Exception]()

    async def enqueue(bg: bgjobs.BgJobs) -> None:
        try:
            await bg.enqueue(greet.request("bad"))
        except kind as error:
            failed.append(error)

    async with bgjobs.run(app.config(greet, store=store)) as bg:
        async with anyio.create_task_group() as group:
            for _ in range(at_once):
                group.start_soon(enqueue, bg)
        job = await bg.enqueue(greet.request("good"))
        assert (await bg.wait_for(job)).id == job.id
    assert len(failed) == at_once


@bgjobs.worker
async def fine() -> None:
    """Succeed."""


async def test_a_duplicate_raises_where_the_request_asks_for_it(app: Harness) -> None:
    async with bgjobs.run(app.config(fine)) as bg:
        later = fine.request().available_in(hours=1)
        first = await bg.enqueue(later.unique("a"))
        assert await bg.enqueue(later.unique("a")) == first
        again = later.unique("a", on_conflict="raise")
        with pytest.raises(DuplicateJobError) as caught:
            await bg.enqueue_many([later, again, later.unique("b")])
        assert str(caught.value) == (f"job {first.id} of worker 'fine' has the unique key 'a'")
        assert caught.value.holder == first.id
        assert [job.id for job in await unreserved(bg)] == [first.id]
        assert (await bg.enqueue(later.unique("b", on_conflict="raise"))).unique_key == "b"


async def test_two_requests_of_one_call_with_the_same_key_are_refused(app: Harness) -> None:
    async with bgjobs.run(app.config(fine)) as bg:
        again = fine.request().available_in(hours=1).unique("a", on_conflict="raise")
        with pytest.raises(DuplicateJobError) as caught:
            await bg.enqueue_many([again, again])
        assert str(caught.value) == (
            "two requests of one call for worker 'fine' have the unique key 'a'; "
            "nothing of this call was stored"
        )
        assert caught.value.holder is None
        assert await unreserved(bg) == []


async def test_a_duplicate_fails_only_its_own_call(app: Harness) -> None:
    async with bgjobs.run(app.config(fine)) as bg:
        later = fine.request().available_in(hours=1)
        await bg.enqueue(later.unique("a"))
        refused: list[DuplicateJobError] = []

        async def refuse() -> None:
            try:
                await bg.enqueue(later.unique("a", on_conflict="raise"))
            except DuplicateJobError as error:
                refused.append(error)

        async def store() -> None:
            await bg.enqueue(later)

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(store)
                tasks.start_soon(refuse)
        assert len(refused) == 5
        assert (await bg.count()).delayed == 6
