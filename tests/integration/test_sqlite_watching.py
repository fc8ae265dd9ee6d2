"""Hearing of other processes' commits on a file: from the system, or by looking often."""

import errno
import os
import select
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any, NoReturn

import anyio
import pytest

import bgjobs
import tests.fixtures.sqlite_programs as program
from bgjobs._core.ids import new_id
from bgjobs._runtime.notifications import listener
from bgjobs.errors import StoreUnavailableError
from bgjobs.events import StoreFailed
from bgjobs.stores.sqlite import SQLiteStore, inotify, pace
from bgjobs.stores.sqlite import watcher as watching_module
from bgjobs.stores.sqlite.bell import Bell
from bgjobs.stores.sqlite.watcher import FileWatcher
from bgjobs.stores.types import NewJob
from bgjobs.testing import Recorder
from bgjobs.testing.contract.steps import put_one
from tests.fixtures.sqlite import fresh_sqlite_store

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is a part of Linux")

PATIENCE = 30.0
"""Seconds; a safety net."""
STEPS = 300
HOLDS_STILL = 0.05
"""Seconds in which what is heard at all would be heard."""


@contextmanager
def watching(store: SQLiteStore) -> Generator[FileWatcher]:
    watcher = store.watch()
    assert isinstance(watcher, FileWatcher)
    try:
        yield watcher
    finally:
        watcher.close()


@contextmanager
def another_process(path: Path, synchronous: str) -> Generator[Callable[..., None]]:
    """Give a function that lets it write, after each of some pauses."""
    command = [sys.executable, program.__file__, "write_on_request", str(path), synchronous]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def write(*pauses: float) -> None:
            stdin.writelines(f"{pause}\n" for pause in pauses)
            stdin.flush()

        yield write
        stdin.close()
        stdout.read()
    assert process.returncode == 0


def hears(watcher: FileWatcher, patience: float = PATIENCE) -> bool:
    """Look when the descriptor says so, until there are news."""
    end = monotonic() + patience
    while select.select([watcher], [], [], max(0, end - monotonic()))[0]:
        if watcher.poll() is None:
            return True
    return False


def is_at_rest(watcher: FileWatcher) -> bool:
    assert watcher._bell is not None
    return watcher._bell._pace.resting


def come_to_rest(watcher: FileWatcher) -> None:
    """Look until nothing is left to be looked for."""
    while not is_at_rest(watcher):
        assert select.select([watcher], [], [], PATIENCE)[0]
        watcher.poll()
    while select.select([watcher], [], [], HOLDS_STILL)[0]:
        assert watcher.poll() == set()


class Busy:
    def execute(self, _: str) -> NoReturn:
        error = sqlite3.OperationalError("database is locked")
        error.sqlite_errorcode = sqlite3.SQLITE_BUSY_RECOVERY
        raise error


@contextmanager
def busy(watcher: FileWatcher) -> Generator[None]:
    """Let SQLite refuse every look."""
    connection = watcher._connection
    raw, connection.raw = connection.raw, Busy()  # type: ignore[assignment]  # it needs no more
    yield
    connection.raw = raw


def descriptors() -> int:
    """Count ours that are no files: inotify, the timer and what waits for both."""
    found = 0
    for one in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that lists them
            found += str(one.readlink()).startswith("anon_inode:")
    return found


def broken(number: int) -> Callable[..., NoReturn]:
    def call(*_: Any) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return call


@pytest.mark.parametrize("synchronous", ["NORMAL", "FULL"])
def test_no_commit_of_another_process_is_missed(
    sqlite_path: Path, sqlite_store: SQLiteStore, synchronous: str
) -> None:
    """It waits until all is heard, so that no commit is told only by the next one."""
    random = Random(1)
    stored = 0
    with (
        watching(sqlite_store) as watcher,
        another_process(sqlite_path, synchronous) as write,
    ):
        assert watcher.interval is None
        for step in range(STEPS):
            pauses = [random.choice((0, 0.001, random.uniform(0, 0.01)))]
            pauses += [0] * random.choice((0, 0, 0, 1, 2))
            write(*pauses)
            stored += len(pauses)
            while sqlite_store.count().waiting < stored:
                assert hears(watcher), step


def test_without_commits_the_descriptor_falls_silent(
    sqlite_store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "HORIZON", HOLDS_STILL)
    with watching(sqlite_store) as watcher:
        put_one(sqlite_store)
        assert hears(watcher)
        come_to_rest(watcher)
        assert watcher.poll() == set(), "it may be asked all the same"
        put_one(sqlite_store)
        assert hears(watcher)


def test_a_commit_in_the_middle_of_a_look_is_no_sign_of_deafness(
    sqlite_store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "HORIZON", HOLDS_STILL)
    with watching(sqlite_store) as watcher:
        come_to_rest(watcher)
        look = watcher._look

        def write_and_look() -> bool | None:
            put_one(sqlite_store)
            return look()

        monkeypatch.setattr(watcher, "_look", write_and_look)
        assert watcher.poll() is None


def test_the_log_stays_while_it_is_watched(sqlite_path: Path) -> None:
    """Whoever closes the file last deletes it, and the watcher has the file open."""
    with fresh_sqlite_store(sqlite_path) as store:
        watcher = store.watch()
        assert isinstance(watcher, FileWatcher)
    for _ in range(3):
        with fresh_sqlite_store(sqlite_path) as other:
            put_one(other)
        assert hears(watcher)
    watcher.close()
    assert not sqlite_path.with_name("jobs.db-wal").exists()


def test_a_log_that_was_emptied_is_heard_of_as_before(sqlite_path: Path) -> None:
    with fresh_sqlite_store(sqlite_path) as store, watching(store) as watcher:
        put_one(store)
        assert hears(watcher)
        with sqlite3.connect(sqlite_path) as raw:
            raw.execute("pragma wal_checkpoint(truncate)")
        raw.close()
        assert sqlite_path.with_name("jobs.db-wal").stat().st_size == 0
        put_one(store)
        assert hears(watcher)


@pytest.mark.parametrize("loss", [Path.unlink, lambda log: log.rename(f"{log}.old")])
def test_a_log_that_was_taken_away_breaks_the_watcher(
    loss: Callable[[Path], object], sqlite_path: Path, sqlite_store: SQLiteStore
) -> None:
    with watching(sqlite_store) as watcher:
        loss(sqlite_path.with_name("jobs.db-wal"))
        with pytest.raises(StoreUnavailableError, match="its log was lost: No such file"):
            hears(watcher)


def test_a_log_whose_place_was_taken_breaks_the_watcher(
    sqlite_path: Path, sqlite_store: SQLiteStore
) -> None:
    with watching(sqlite_store) as watcher:
        stranger = sqlite_path.with_name("stranger")
        stranger.touch()
        stranger.rename(f"{sqlite_path}-wal")
        with pytest.raises(StoreUnavailableError, match="its log was lost: Stale"):
            hears(watcher)


def test_a_watch_that_the_system_gave_up_breaks_the_watcher(sqlite_store: SQLiteStore) -> None:
    """As it does when the file system is taken away."""
    with watching(sqlite_store) as watcher:
        assert watcher._bell is not None
        inotify._call("inotify_rm_watch", watcher._bell._inotify.fileno(), 1)
        with pytest.raises(StoreUnavailableError, match="its log was lost: Stale"):
            hears(watcher)


def test_a_log_whose_mode_was_changed_is_still_watched(
    sqlite_path: Path, sqlite_store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite itself sets its owner, when a process of root opens it; that is no write."""
    monkeypatch.setattr(pace, "HORIZON", HOLDS_STILL)
    with watching(sqlite_store) as watcher:
        come_to_rest(watcher)
        sqlite_path.with_name("jobs.db-wal").chmod(0o640)
        assert not hears(watcher, HOLDS_STILL)
        assert is_at_rest(watcher)
        put_one(sqlite_store)
        assert hears(watcher)


def test_the_log_is_found_through_links_and_odd_names(tmp_path: Path) -> None:
    real, link = tmp_path / os.fsdecode(b"\xff ' % \xc3\xa9.db"), tmp_path / "link.db"
    link.symlink_to(real)
    with fresh_sqlite_store(link) as store, watching(store) as watcher:
        assert watcher.interval is None
        put_one(store)
        assert hears(watcher)


def test_a_look_that_is_refused_is_made_again(sqlite_store: SQLiteStore) -> None:
    with watching(sqlite_store) as watcher:
        put_one(sqlite_store)
        with busy(watcher):
            assert not hears(watcher, HOLDS_STILL)
        assert hears(watcher)


def test_what_was_heard_at_a_refused_look_is_looked_for_beyond_the_next_commit(
    sqlite_store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may belong to one that comes behind it."""
    monkeypatch.setattr(pace, "HORIZON", HOLDS_STILL)
    with watching(sqlite_store) as watcher:
        come_to_rest(watcher)
        put_one(sqlite_store)
        with busy(watcher):
            assert watcher.poll() == set()
        assert watcher.poll() is None
        assert not is_at_rest(watcher)


def test_a_commit_during_the_opening_is_no_news(
    sqlite_store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever opens looks for jobs behind it; and as news it would hide one that follows."""

    def write_and_hang_up(path: Path) -> Bell:
        put_one(sqlite_store)
        return Bell(path)

    monkeypatch.setattr(watching_module, "Bell", write_and_hang_up)
    with watching(sqlite_store) as watcher:
        assert watcher.poll() == set()


def test_what_was_written_before_the_opening_is_looked_for(sqlite_store: SQLiteStore) -> None:
    """Its commit may end only now."""
    with watching(sqlite_store) as watcher:
        assert not is_at_rest(watcher)
        assert select.select([watcher], [], [], PATIENCE)[0]
        assert watcher.poll() == set()


def test_polling_waits_for_nobody(sqlite_store: SQLiteStore) -> None:
    with watching(sqlite_store) as watcher:
        timeout = watcher._connection.raw.execute("pragma busy_timeout").fetchone()
    assert timeout == (0,)


def test_closing_gives_back_the_descriptors(sqlite_store: SQLiteStore) -> None:
    before = descriptors()
    with watching(sqlite_store):
        assert descriptors() == before + 3
    assert descriptors() == before


def test_an_opening_that_fails_gives_them_back(
    sqlite_store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[FileWatcher] = []

    def fail_later(watcher: FileWatcher) -> bool:
        looks.append(watcher)
        if watcher._bell is not None:
            raise StoreUnavailableError("away")
        return False

    monkeypatch.setattr(FileWatcher, "_look", fail_later)
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
    monkeypatch.setattr(inotify._libc, missing, lambda *_: -1)
    monkeypatch.setattr(inotify, "get_errno", lambda: number)
    with (
        fresh_sqlite_store(sqlite_path, watch_interval=0.25) as store,
        watching(store) as watcher,
    ):
        assert descriptors() == before
        assert watcher.interval == 0.25
        with pytest.raises(NotImplementedError):
            watcher.fileno()
        assert watcher.poll() == set()
        put_one(store)
        assert watcher.poll() is None
        assert watcher.poll() == set()


@pytest.mark.parametrize("library", [None, object()], ids=["no library", "another library"])
def test_other_systems_have_no_inotify(
    library: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inotify, "_libc", library)
    with pytest.raises(OSError, match="inotify_init1: Function not implemented"):
        inotify.Inotify(Path(__file__))


def test_a_python_without_ctypes_looks_every_interval(sqlite_path: Path) -> None:
    text = """
import sys
sys.modules["ctypes"] = None
from bgjobs.stores.sqlite import SQLiteStore
store = SQLiteStore(sys.argv[1])
store.open()
watcher = store.watch()
print(watcher.interval, watcher.poll())
watcher.close()
store.close()
"""
    command = [sys.executable, "-c", text, str(sqlite_path)]
    assert subprocess.check_output(command, text=True).split() == ["0.005", "frozenset()"]


def test_without_epoll_there_is_no_bell(
    sqlite_store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = descriptors()
    monkeypatch.setattr(select, "epoll", broken(errno.EMFILE))
    with watching(sqlite_store) as watcher:
        assert descriptors() == before
        assert watcher.interval == 0.005


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> float:
    """What is taken for a long silence, shorter than it is."""
    silence = 0.2
    monkeypatch.setattr(listener, "LISTENER_TIMEOUT", silence)
    monkeypatch.setattr(pace, "HORIZON", silence)
    return silence


@pytest.mark.trio
async def test_a_deaf_watcher_is_replaced(
    sqlite_path: Path,
    sqlite_store: SQLiteStore,
    silence: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorder = Recorder()
    bells: list[Path] = []
    ran: list[int] = []

    def deaf_at_first(path: Path) -> Bell:
        bells.append(path)
        return Bell(path if len(bells) > 1 else Path(__file__))

    @bgjobs.worker
    async def work(number: int) -> None:
        ran.append(number)

    monkeypatch.setattr(watching_module, "Bell", deaf_at_first)
    config = bgjobs.Config(
        store=SQLiteStore(sqlite_path, synchronous="NORMAL"),  # the disk plays no part in it
        queues=[bgjobs.Queue("all", workers=[work], poll_interval=1000)],
        listeners=[recorder],
    )
    with anyio.fail_after(PATIENCE):
        async with bgjobs.run(config):
            while not bells:
                await anyio.sleep(0.01)
            await anyio.sleep(2 * silence)  # until it is not looked again without being told
            for number in (1, 2):
                sqlite_store.write([NewJob(new_id(), work.request(number))])
                while len(ran) < number:
                    await anyio.sleep(0.01)
    assert ran == [1, 2]
    assert len(bells) > 1
    failed = [one for one in recorder.of(StoreFailed) if one.verb == "watch"]
    assert "deaf" in str(failed[0].error)


@pytest.mark.trio
async def test_a_watcher_without_news_is_not_replaced(
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
