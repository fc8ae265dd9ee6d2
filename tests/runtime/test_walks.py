"""How many files of the library a reader passes from a call down to its SQL statement.

They are the files on the stack of the task when it begins a call in a thread of the store, and
on the stack of that thread when it runs the statement.
"""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import bgjobs
from bgjobs._runtime.persistence.threads import StoreThreads
from bgjobs.stores.sqlite import connection, executor

pytestmark = pytest.mark.anyio

PACKAGE = Path(bgjobs.__file__).parent


@bgjobs.worker
async def send() -> None: ...


@bgjobs.worker
async def finish() -> None: ...


@bgjobs.worker
async def fail() -> None:
    raise ValueError


def of_library(file: str) -> Iterator[str]:
    path = Path(file)
    if path.is_relative_to(PACKAGE) and not path.is_relative_to(PACKAGE / "cli"):
        yield str(path.relative_to(PACKAGE))


def files_below(frame: FrameType | None) -> Iterator[str]:
    while frame is not None:
        yield from of_library(frame.f_code.co_filename)
        frame = frame.f_back


class Call(threading.local):
    """What a thread of the store now does."""

    files: frozenset[str] = frozenset()
    """Those on the stack of the task that began its call."""
    is_followed: bool = False
    """Whether it runs the statement of the walk."""


class Walk:
    """Records the files on the stacks of a task and of the thread that runs its statement."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, statement: str) -> None:
        self.files: set[str] = set()
        self._statement = statement
        self._call = Call()
        monkeypatch.setattr(StoreThreads, "begin", self._beginning(StoreThreads.begin))
        for verb in ("run", "change", "insert"):
            method, function = getattr(executor.Transaction, verb), getattr(executor, verb)
            monkeypatch.setattr(executor.Transaction, verb, self._choosing(method))
            monkeypatch.setattr(executor, verb, self._recording(function))
        for owner, wrapped in (
            (executor.Executor, self._choosing),
            (connection.Connection, self._recording),
        ):
            monkeypatch.setattr(owner, "insert_alone", wrapped(owner.insert_alone))

    def _beginning(self, method: Any) -> Any:
        def begin(threads: StoreThreads, work: Any, *more: Any) -> None:
            files = frozenset(files_below(sys._getframe()))

            def recorded() -> Any:
                self._call.files = files
                return work()

            method(threads, recorded, *more)

        return begin

    def _choosing(self, method: Any) -> Any:
        def choose(runner: object, name: str, parameters: Any) -> Any:
            self._call.is_followed = name == self._statement
            return method(runner, name, parameters)

        return choose

    def _recording(self, function: Any) -> Any:
        def record(*arguments: Any) -> Any:
            if self._call.is_followed:
                self.files |= self._call.files
                self.files |= {*of_library(function.__code__.co_filename)}
                self.files |= {*files_below(sys._getframe())}
            return function(*arguments)

        return record


def config(path: Path) -> bgjobs.Config:
    queue = bgjobs.Queue("work", workers=[fail, finish], max_retries=0)
    return bgjobs.Config(
        store=bgjobs.SQLiteStore(path),
        queues=[queue],
        enqueue_only=[send],
        log_failures=False,
    )


@pytest.fixture
def anyio_backend() -> str:
    return "trio"  # whose stacks begin with the coroutine of a task


async def test_a_retry_passes_at_most_nine_files(
    sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bgjobs.run(config(sqlite_path)) as bg:
        failed = await bg.wait_for(await bg.enqueue(fail.request()))
    walk = Walk(monkeypatch, "retry")
    async with bgjobs.connect(config(sqlite_path)) as client:
        assert await client.admin.retry(failed.id) == [failed.id]
    assert walk.files == {
        "_runtime/admin/batches.py",
        "_runtime/admin/jobs.py",
        "_runtime/persistence/dispatch.py",
        "_runtime/persistence/refusals.py",
        "_runtime/persistence/threads.py",
        *{"stores/sqlite/connection.py", "stores/sqlite/executor.py"},
        "stores/sqlite/operations.py",
    }
    assert len(walk.files) <= 9


async def test_a_cancellation_passes_at_most_eight_files(
    sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bgjobs.run(config(sqlite_path)) as bg:
        job = await bg.enqueue(send.request())
        walk = Walk(monkeypatch, "cancel_waiting")
        assert (await bg.admin.cancel(job.id, reason="x")).ended == [job.id]
    assert 0 < len(walk.files) <= 8, walk.files


BATCHED = {
    "_runtime/persistence/group_commit.py",
    "_runtime/persistence/dispatch.py",
    "_runtime/persistence/threads.py",
    *{"stores/sqlite/store.py", "stores/sqlite/writes.py"},
    *{"stores/sqlite/executor.py", "stores/sqlite/connection.py"},
}
"""The files that each write of group commit passes."""


async def test_an_enqueue_passes_nine_files(
    sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk = Walk(monkeypatch, "enqueue_plain")
    async with bgjobs.run(config(sqlite_path)) as bg:
        await bg.enqueue(send.request())
    assert walk.files == {"_runtime/client.py", "_runtime/persistence/enqueue.py", *BATCHED}
    assert len(walk.files) == 9


async def test_the_end_of_a_run_passes_nine_files(
    sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk = Walk(monkeypatch, "succeed")
    async with bgjobs.run(config(sqlite_path)) as bg:
        await bg.wait_for(await bg.enqueue(finish.request()))
    assert walk.files == {"_runtime/queues/slot.py", "_runtime/queues/settler.py", *BATCHED}
    assert len(walk.files) == 9
