"""Opening the store, migrating it and checking the configuration."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import bgjobs
from bgjobs.errors import ConfigError, StoreError
from bgjobs.events import Migrated, SetupFailed
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
    ]


async def test_without_migrate_an_empty_database_is_refused(app: Harness) -> None:
    with pytest.raises(bgjobs.errors.SchemaMismatchError) as caught:
        async with bgjobs.run(app.config(note, migrate=False)):
            raise AssertionError("it must not start")
    assert "expected schema version 5, found 0; run store.migrate()" in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "shown"),
    [(note, "Worker 'note'"), (bgjobs.Config, "the class Config")],
)
async def test_run_administer_and_serve_require_a_config(wrong: Any, shown: str) -> None:
    async def enter(block: Any) -> None:
        async with block:
            raise AssertionError("it must not start")

    calls: dict[str, Callable[[], Awaitable[None]]] = {
        "run": lambda: enter(bgjobs.run(wrong)),
        "administer": lambda: enter(bgjobs.administer(wrong)),
        "serve": lambda: bgjobs.serve(wrong),
    }
    for name, call in calls.items():
        with pytest.raises(TypeError) as caught:
            await call()
        assert str(caught.value) == f"{name}: expected a Config, found {shown}"


async def test_a_store_that_is_open_already_stays_open(app: Harness) -> None:
    config = app.config(note)
    async with bgjobs.run(config) as bg:
        for again in (bgjobs.run(config), bgjobs.administer(config)):
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
