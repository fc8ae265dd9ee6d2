"""Fixtures for applications on each event loop and each store, in real or virtual time."""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

import bgjobs
from bgjobs.errors import StoreUnavailableError
from bgjobs.testing import Recorder, VirtualClock, virtual_backend
from tests.fixtures.databases import Database, SQLiteFile
from tests.fixtures.hostile_rows import HostileRows


@pytest.fixture(params=["trio", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """The event loop of a test; under virtual time, each test has its own clock."""
    if request.param == "virtual-trio":
        return virtual_backend("trio")
    if request.param == "virtual-asyncio":
        return virtual_backend("asyncio")
    return request.param


class Wrapped:
    """A store with some methods replaced."""

    def __init__(self, store: bgjobs.Store, **verbs: Any) -> None:
        self._store = store
        self._verbs = verbs

    def __getattr__(self, name: str) -> Any:
        return self._verbs.get(name, getattr(self._store, name))


class Harness:
    """Creates configurations over one database, with one recorder."""

    def __init__(self, database: Database, **settings: Any) -> None:
        self.database = database
        self.recorder = Recorder()
        self.settings = settings

    def config(
        self, *workers: Any, queue: dict[str, Any] | None = None, **more: Any
    ) -> bgjobs.Config:
        options = {"backoff": bgjobs.backoff.IMMEDIATE, **(queue or {})}
        settings: dict[str, Any] = {"listeners": [self.recorder], **self.settings, **more}
        settings.setdefault("store", self.database.store())
        if "queues" not in settings:
            settings["queues"] = [bgjobs.Queue("default", workers=workers, **options)]
        return bgjobs.Config(**settings)

    def open_store(self) -> bgjobs.Store:
        """Return another opened store over the same database, to read its rows."""
        store = self.database.store()
        store.open()
        return store

    @contextmanager
    def opened(self) -> Generator[bgjobs.Store]:
        """Yield another opened store, and close it."""
        store = self.open_store()
        try:
            yield store
        finally:
            store.close()

    def migrate(self) -> None:
        with self.opened() as store:
            store.migrate()

    def stored(self, job: bgjobs.Job) -> bgjobs.Job:
        """Return the row of a job that has not ended."""
        with self.opened() as store:
            found = store.find(job.id)
        assert isinstance(found, bgjobs.Job)
        return found


async def enqueue_at_last(bg: bgjobs.BgJobs, request: bgjobs.JobRequest) -> None:
    """Enqueue until an answer comes within the time limit; a job may be stored each time."""
    while True:
        with suppress(StoreUnavailableError):
            await bg.enqueue(request)
            return


def migrated_rows(app: Harness) -> HostileRows:
    """Return the rows of a database whose schema has been made."""
    app.migrate()
    return HostileRows(app.database)


@pytest.fixture
def app(database: Database) -> Harness:
    """Both stores, in real time."""
    return Harness(database)


@pytest.fixture
def sqlite_app(sqlite_file: SQLiteFile) -> Harness:
    """SQLite only, in real time; for behaviour that does not depend on the store."""
    return Harness(sqlite_file)


@pytest.fixture
def virtual_app(sqlite_file: SQLiteFile) -> Harness:
    """SQLite on the event loop under virtual time; for tests marked `virtual_time`."""
    ages = 1e9  # a renewal would end each jump of virtual time
    return Harness(
        sqlite_file,
        clock=VirtualClock(),
        lease=ages,
        retention=bgjobs.Retention(interval=ages),
    )


virtual_time = pytest.mark.parametrize(
    "anyio_backend", [pytest.param("virtual-trio", id="virtual")], indirect=True
)
virtual_time_on_both = pytest.mark.parametrize(
    "anyio_backend", ["virtual-trio", "virtual-asyncio"], indirect=True
)
"""Virtual time on Trio and on asyncio."""
