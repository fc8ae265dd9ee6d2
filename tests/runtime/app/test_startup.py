"""Opening, migrating and wrapping the store, and checking the configuration."""

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import bgjobs
from bgjobs._core.jobs import SucceededJob
from bgjobs.errors import ConfigError, StoreError
from bgjobs.events import Migrated, QueuePaused, SetupFailed
from tests.runtime.conftest import Harness, Wrapped

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def note() -> None:
    """Succeed."""


async def test_a_new_database_is_migrated_once(app: Harness) -> None:
    for _ in range(2):
        async with bgjobs.run(app.config(note)):
            pass
    (migrated,) = app.recorder.of(Migrated)
    assert [name[:4] for name in migrated.migrations] == [
        "0001",
        "0002",
        "0003",
        "0004",
        "0005",
        "0006",
        "0007",
        "0008",
        "0009",
        "0010",
    ]


async def test_without_migrate_an_empty_database_is_refused(app: Harness) -> None:
    with pytest.raises(bgjobs.errors.SchemaMismatchError) as caught:
        async with bgjobs.run(app.config(note, migrate=False)):
            raise AssertionError("it must not start")
    assert "expected schema version 10, found 0; run store.migrate()" in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "shown"),
    [(note, "Worker 'note'"), (bgjobs.Config, "the class Config")],
)
async def test_run_connect_and_serve_require_a_config(wrong: Any, shown: str) -> None:
    async def enter(block: Any) -> None:
        async with block:
            raise AssertionError("it must not start")

    calls: dict[str, Callable[[], Awaitable[None]]] = {
        "run": lambda: enter(bgjobs.run(wrong)),
        "connect": lambda: enter(bgjobs.connect(wrong)),
        "serve": lambda: bgjobs.serve(wrong),
    }
    for name, call in calls.items():
        with pytest.raises(TypeError) as caught:
            await call()
        assert str(caught.value) == f"{name}: expected a Config, found {shown}"


async def test_a_store_that_is_open_already_stays_open(app: Harness) -> None:
    config = app.config(note)
    async with bgjobs.run(config) as bg:
        for again in (bgjobs.run(config), bgjobs.connect(config)):
            with pytest.raises(StoreError, match="open already"):
                async with again:
                    raise AssertionError("it ran")
        job = await bg.enqueue(note.request())
        assert (await bg.wait_for(job)).id == job.id


async def test_a_store_whose_schema_is_refused_is_closed(app: Harness) -> None:
    store, closed = app.database.store(), list[str]()

    def close() -> None:
        closed.append("closed")
        store.close()

    wrapped: Any = Wrapped(store, close=close)
    with pytest.raises(StoreError):
        async with bgjobs.run(app.config(note, store=wrapped, migrate=False)):
            raise AssertionError("it ran")
    assert closed == ["closed"]


async def test_a_store_that_cannot_be_opened_is_a_setup_error(tmp_path: Any) -> None:
    received: list[Any] = []
    store = bgjobs.SQLiteStore(tmp_path / "no" / "such" / "folder" / "jobs.db")
    config = bgjobs.Config(
        store=store, queues=[bgjobs.Queue("q", workers=[note])], listeners=[received.append]
    )
    with pytest.raises(StoreError):
        async with bgjobs.run(config):
            raise AssertionError("it must not start")
    assert [event.error for event in received if isinstance(event, SetupFailed)]


async def test_a_wrong_configuration_is_refused_before_anything_is_opened(
    tmp_path: Any,
) -> None:
    path = tmp_path / "jobs.db"
    queue = bgjobs.Queue("q", workers=[note])
    with pytest.raises(ConfigError):
        async with bgjobs.run(
            bgjobs.Config(store=bgjobs.SQLiteStore(path), queues=[queue, queue])
        ):
            raise AssertionError("it must not start")
    assert not path.exists()


class Delegating:
    """Delegates everything."""

    def __init__(self, store: bgjobs.Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class SetToNone(Delegating):
    """Delegates everything but `operations`, which is None."""

    operations = None


class WithoutOperations(Delegating):
    """Delegates everything but `operations`, which does not exist."""

    def __getattr__(self, name: str) -> Any:
        if name == "operations":
            raise AttributeError(name)
        return super().__getattr__(name)


@bgjobs.worker
async def fine() -> None:
    """End well."""


def twice(store: bgjobs.Store) -> bgjobs.Store:
    return Delegating(Delegating(store))


@pytest.mark.parametrize("wrapped", [Delegating, twice])
async def test_a_wrapper_that_delegates_everything_has_the_operations(
    app: Harness, wrapped: Any
) -> None:
    store = app.database.store()
    wrapper = wrapped(store)
    assert bgjobs.operations_of(wrapper) is bgjobs.operations_of(store) is not None
    async with bgjobs.run(app.config(fine, store=wrapper)) as bg:
        await bg.admin.pause_queue("default")
        await app.recorder.wait_for(QueuePaused)
        job = await bg.enqueue(fine.request())
        assert [one.id for one in await bg.list(bgjobs.JobFilter("waiting"))] == [job.id]
        await bg.admin.resume_queue("default")
        assert isinstance(await bg.wait_for(job), SucceededJob)


async def test_a_paused_queue_over_a_wrapper_starts_paused(app: Harness) -> None:
    async with bgjobs.run(app.config(fine)) as bg:
        await bg.admin.pause_queue("default")
        await app.recorder.wait_for(QueuePaused)
    config = app.config(fine, store=Delegating(app.database.store()))
    async with bgjobs.run(config) as bg:
        await app.recorder.wait_for(QueuePaused, 2)
        assert bg.queue("default").paused


@pytest.mark.parametrize("wrapped", [SetToNone, WithoutOperations])
async def test_a_wrapper_that_hides_the_operations_has_none(app: Harness, wrapped: Any) -> None:
    store = wrapped(app.database.store())
    assert bgjobs.operations_of(store) is None
    async with bgjobs.run(app.config(fine, store=store)) as bg:
        assert isinstance(await bg.wait_for(await bg.enqueue(fine.request())), SucceededJob)
        with pytest.raises(StoreError, match="expected a store with operations, found none"):
            await bg.admin.retry_all(bgjobs.JobFilter("failed"))
        assert len(await bg.list(bgjobs.JobFilter("succeeded"))) == 1


def test_no_protocol_of_bgjobs_is_runtime_checkable() -> None:
    """`isinstance` ignores attributes from `__getattr__` on Python 3.12 and later."""
    found = {
        value
        for module in pkgutil.walk_packages(bgjobs.__path__, "bgjobs.")
        if not module.name.endswith("__main__")
        for value in vars(importlib.import_module(module.name)).values()
        if isinstance(value, type) and value.__module__.startswith("bgjobs")
    }
    assert bgjobs.Store in found
    assert [one for one in found if getattr(one, "_is_runtime_protocol", False)] == []
