"""`JobContext.progress`: loops whose items count as progress."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import bgjobs
from bgjobs import Job, JobContext
from bgjobs._core.ids import new_id
from bgjobs.testing import run_one
from bgjobs.testing.contract.steps import NOW

pytestmark = pytest.mark.anyio
Reports = list[tuple[float, float | None, str | None]]


class Taken:
    """Takes the reports of a context."""

    def __init__(self) -> None:
        self.reports: Reports = []
        self.pauses = 0
        job = Job(id=new_id(), name="x", payload="[]", created_at=NOW, available_at=NOW)
        self.context: JobContext = JobContext(job, reporter=self)

    def report(self, done: float, total: float | None, note: str | None) -> None:
        self.reports.append((done, total, note))

    async def checkpoint(self) -> None:
        self.pauses += 1


async def arriving(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


@pytest.fixture
def taken() -> Taken:
    return Taken()


async def test_each_item_is_reported_when_the_next_one_is_asked_for(taken: Taken) -> None:
    async for item in taken.context.progress("ab"):
        assert len(taken.reports) == "ab".index(item) + 1
    assert taken.reports == [(0, 2, None), (1, 2, None), (2, 2, None)]
    assert taken.pauses == 3


def test_a_plain_loop_reports_the_same(taken: Taken) -> None:
    for item in taken.context.progress("ab", note="letters"):
        assert len(taken.reports) == "ab".index(item) + 1
    assert taken.reports == [(done, 2, "letters") for done in (0, 1, 2)]
    assert taken.pauses == 0


async def test_an_async_iterable_has_no_length(taken: Taken) -> None:
    found = [item async for item in taken.context.progress(arriving(2))]
    assert found == [0, 1]
    assert taken.reports == [(0, None, None), (1, None, None), (2, None, None)]


async def test_the_total_may_be_given(taken: Taken) -> None:
    found = [item async for item in taken.context.progress(arriving(1), total=5, note="n")]
    assert found == [0]
    assert taken.reports == [(0, 5, "n"), (1, 5, "n")]


async def test_an_iterator_without_length_has_no_total(taken: Taken) -> None:
    assert list(taken.context.progress(iter("a"))) == ["a"]
    assert taken.reports == [(0, None, None), (1, None, None)]


async def test_no_items_are_reported_too(taken: Taken) -> None:
    items: list[int] = []
    assert [item async for item in taken.context.progress(items)] == []
    assert list(taken.context.progress(items)) == []
    assert taken.reports == [(0, 0, None), (0, 0, None)]


async def test_an_item_whose_loop_ends_early_is_not_done(taken: Taken) -> None:
    async for _ in taken.context.progress("abc"):
        if len(taken.reports) == 2:
            break
    for _ in taken.context.progress("abc"):
        break
    assert [done for done, _, _ in taken.reports] == [0, 1, 0]


async def test_errors_of_the_items_pass_through(taken: Taken) -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        [item async for item in taken.context.progress(failing())]
    with pytest.raises(ZeroDivisionError):
        list(taken.context.progress(failing()))
    assert [done for done, _, _ in taken.reports] == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("items", "settings", "error"),
    [
        (5, {}, "progress: items: expected an iterable or an async iterable, found int"),
        (None, {}, "progress: items: expected an iterable or an async iterable, found None"),
        ("", {"total": "5"}, "progress: total: expected a number or None, found str"),
        ("", {"note": 5}, "progress: note: expected str or None, found int"),
    ],
)
def test_wrong_arguments_are_refused(
    taken: Taken, items: Any, settings: Any, error: str
) -> None:
    with pytest.raises(TypeError, match=f"^{error}$"):
        taken.context.progress(items, **settings)


def test_a_wrong_total_is_refused(taken: Taken) -> None:
    with pytest.raises(ValueError, match=r"progress: total: expected a number from 0 .*-1$"):
        taken.context.progress("", total=-1)


@bgjobs.worker
async def looping(context: JobContext, count: int) -> None:
    async for _ in context.progress(range(count), note="rows"):
        pass


@bgjobs.worker
def looping_in_a_thread(context: JobContext, count: int) -> None:
    for _ in context.progress(range(count), note="rows"):
        pass


@pytest.mark.parametrize(
    "anyio_backend", ["trio", "asyncio", "virtual-trio", "virtual-asyncio"], indirect=True
)
@pytest.mark.parametrize("worker", [looping, looping_in_a_thread])
async def test_run_one_stores_progress(worker: Any) -> None:
    ended = await run_one(worker, worker.request(3))
    assert ended.job.progress is not None
    progress = ended.job.progress
    assert (progress.done, progress.total, progress.note) == (3, 3, "rows")
