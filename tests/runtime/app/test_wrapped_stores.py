"""A store that wraps another one has the operations that it delegates."""

import importlib
import pkgutil
from typing import Any

import pytest

import bgjobs
from bgjobs._core.jobs import SucceededJob
from bgjobs.errors import StoreError
from bgjobs.events import QueuePaused
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio


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
        assert [one.id for one in await bg.admin.list("waiting")] == [job.id]
        await bg.admin.resume_queue("default")
        assert isinstance(await bg.wait_for(job), SucceededJob)


async def test_a_paused_queue_over_a_wrapper_starts_paused(app: Harness) -> None:
    async with bgjobs.run(app.config(fine)) as bg:
        await bg.admin.pause_queue("default")
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
            await bg.admin.list("failed")


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
