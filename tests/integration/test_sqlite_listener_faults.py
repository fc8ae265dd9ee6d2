"""What breaks a change source, what happens where the system cannot report writes."""

import errno
import os
import select
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import anyio
import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._runtime.notifications import listener as runtime_listener
from bgjobs.errors import StoreUnavailableError
from bgjobs.events import StoreFailed
from bgjobs.stores.sqlite import SQLiteStore, listener
from bgjobs.stores.sqlite.listener import FileNotifier, SQLiteChangeSource
from bgjobs.stores.types import ANY_CHANGE, NewJob, Notice
from bgjobs.testing import Recorder
from bgjobs.testing.contract.steps import put_one
from tests.fixtures.sqlite import fresh_sqlite_store
from tests.fixtures.sqlite_changes import PATIENCE, descriptors, finds_change, watching

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is a part of Linux")


def broken(number: int) -> Callable[..., NoReturn]:
    def call(*_: Any) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return call


@pytest.mark.parametrize("loss", [Path.unlink, lambda log: log.rename(f"{log}.old")])
def test_a_log_that_was_moved_or_deleted_breaks_the_source(
    loss: Callable[[Path], object], sqlite_path: Path, sqlite_store: SQLiteStore
) -> None:
    with watching(sqlite_store) as source:
        loss(sqlite_path.with_name("jobs.db-wal"))
        with pytest.raises(StoreUnavailableError, match="its log was lost: No such file"):
            finds_change(source)


def test_a_log_that_was_replaced_breaks_the_source(
    sqlite_path: Path, sqlite_store: SQLiteStore
) -> None:
    with watching(sqlite_store) as source:
        stranger = sqlite_path.with_name("stranger")
        stranger.touch()
        stranger.rename(f"{sqlite_path}-wal")
        with pytest.raises(StoreUnavailableError, match="its log was lost: Stale"):
            finds_change(source)


def test_a_watch_that_the_system_removed_breaks_the_source(sqlite_store: SQLiteStore) -> None:
    """As it does when the file system is taken away."""
    with watching(sqlite_store) as source:
        assert source._notifier is not None
        listener._call("inotify_rm_watch", source._notifier._inotify, 1)
        with pytest.raises(StoreUnavailableError, match="its log was lost: Stale"):
            finds_change(source)


def test_an_opening_that_fails_closes_the_descriptors(
    sqlite_store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[SQLiteChangeSource] = []

    def fail_later(source: SQLiteChangeSource) -> bool:
        looks.append(source)
        if source._notifier is not None:
            raise StoreUnavailableError("away")
        return False

    monkeypatch.setattr(SQLiteChangeSource, "_has_changed", fail_later)
    before = descriptors()
    with pytest.raises(StoreUnavailableError, match="away"):
        sqlite_store.watch()
    assert descriptors() == before
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        looks[-1]._connection.raw.execute("select 1")


@pytest.mark.parametrize(
    "missing", ["inotify_init1", "inotify_add_watch", "timerfd_create", "timerfd_settime"]
)
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOSPC, errno.EMFILE])
def test_without_inotify_the_file_is_looked_at_every_interval(
    missing: str, number: int, sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = descriptors()
    monkeypatch.setattr(listener._libc, missing, lambda *_: -1)
    monkeypatch.setattr(listener, "get_errno", lambda: number)
    with (
        fresh_sqlite_store(sqlite_path, watch_interval=0.25) as store,
        watching(store) as source,
    ):
        assert descriptors() == before
        assert source.interval == 0.25
        with pytest.raises(NotImplementedError):
            source.fileno()
        assert source.poll() == Notice()
        put_one(store)
        assert source.poll() == ANY_CHANGE
        assert source.poll() == Notice()


@pytest.mark.parametrize("library", [None, object()], ids=["no library", "another library"])
def test_other_systems_have_no_inotify(
    library: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "_libc", library)
    with pytest.raises(OSError, match="inotify_init1: Function not implemented"):
        FileNotifier(Path(__file__))


def test_a_python_without_ctypes_looks_every_interval(sqlite_path: Path) -> None:
    text = """
import sys
sys.modules["ctypes"] = None
from bgjobs.stores.sqlite import SQLiteStore
store = SQLiteStore(sys.argv[1])
store.open()
source = store.watch()
print(source.interval, bool(source.poll()))
source.close()
store.close()
"""
    command = [sys.executable, "-c", text, str(sqlite_path)]
    assert subprocess.check_output(command, text=True).split() == ["0.005", "False"]


def test_without_epoll_the_file_is_looked_at_every_interval(
    sqlite_store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = descriptors()
    monkeypatch.setattr(select, "epoll", broken(errno.EMFILE))
    with watching(sqlite_store) as source:
        assert descriptors() == before
        assert source.interval == 0.005


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> float:
    """What is taken for a long silence, shorter than it is."""
    silence = 0.2
    monkeypatch.setattr(runtime_listener, "LISTENER_TIMEOUT", silence)
    monkeypatch.setattr(listener, "HORIZON", silence)
    return silence


@pytest.mark.trio
async def test_a_source_without_reports_is_replaced(
    sqlite_path: Path,
    sqlite_store: SQLiteStore,
    silence: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorder = Recorder()
    notifiers: list[Path] = []
    ran: list[int] = []

    def silent_at_first(path: Path) -> FileNotifier:
        notifiers.append(path)
        return FileNotifier(path if len(notifiers) > 1 else Path(__file__))

    @bgjobs.worker
    async def work(number: int) -> None:
        ran.append(number)

    monkeypatch.setattr(listener, "FileNotifier", silent_at_first)
    config = bgjobs.Config(
        store=SQLiteStore(sqlite_path, synchronous="NORMAL"),  # the disk plays no part in it
        queues=[bgjobs.Queue("all", workers=[work], poll_interval=1000)],
        listeners=[recorder],
    )
    with anyio.fail_after(PATIENCE):
        async with bgjobs.run(config):
            while not notifiers:
                await anyio.sleep(0.01)
            await anyio.sleep(2 * silence)  # until it is not looked again without being told
            for number in (1, 2):
                sqlite_store.write([NewJob(new_id(), work.request(number))])
                while len(ran) < number:
                    await anyio.sleep(0.01)
    assert ran == [1, 2]
    assert len(notifiers) > 1
    failed = [one for one in recorder.of(StoreFailed) if one.verb == "watch"]
    assert "did not report" in str(failed[0].error)


@pytest.mark.trio
async def test_a_source_without_changes_is_not_replaced(
    sqlite_path: Path, silence: float
) -> None:
    recorder = Recorder()

    @bgjobs.worker
    async def work() -> None: ...

    config = bgjobs.Config(
        store=SQLiteStore(sqlite_path, synchronous="NORMAL"),  # the disk plays no part in it
        queues=[bgjobs.Queue("all", workers=[work])],
        listeners=[recorder],
        lease=3600,
    )
    with anyio.fail_after(PATIENCE):
        async with bgjobs.run(config):
            await anyio.sleep(5 * silence)
    assert not recorder.of(StoreFailed)
