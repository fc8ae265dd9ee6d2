"""The application's own touch on every request that is enqueued in it."""

import pytest

import bgjobs
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def greet(name: str) -> None:
    """Do nothing with it."""


async def test_what_it_gives_is_stored(sqlite_app: Harness) -> None:
    config = sqlite_app.config(
        greet, before_enqueue=lambda request: request.with_metadata(by="the test")
    )
    async with bgjobs.run(config) as bg:
        job = await bg.enqueue(greet.request("Ada").with_metadata(mine="1"))
        assert job.metadata == {"mine": "1", "by": "the test"}


async def test_an_unknown_worker_is_refused_after_it(sqlite_app: Harness) -> None:
    other = bgjobs.JobRequest("other", "{}")
    async with bgjobs.run(sqlite_app.config(greet, before_enqueue=lambda _: other)) as bg:
        with pytest.raises(bgjobs.errors.NoWorkerForJobError, match="'other'"):
            await bg.enqueue(greet.request("Ada"))


def test_it_has_to_be_a_function(sqlite_app: Harness) -> None:
    with pytest.raises(bgjobs.errors.ConfigError, match="before_enqueue: expected a function"):
        sqlite_app.config(greet, before_enqueue="stamp")
