"""Pages of jobs in one state, for operators."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

from bgjobs._core.jobs import FailedJob, Job, SucceededJob
from bgjobs._runtime.engine import Engine
from bgjobs._runtime.persistence.unreadable import listed, readable
from bgjobs._runtime.sifting import sifted, sifted_search
from bgjobs.stores.operations import Failures, Operations
from bgjobs.stores.pages import Page

State = Literal["waiting", "delayed", "running", "succeeded", "failed"]
Jobs = Sequence[Job | SucceededJob | FailedJob]


async def list_jobs(
    engine: Engine,
    operations: Operations,
    state: State,
    failures: Failures,
    metadata: Mapping[str, str] | None,
    page: Page,
) -> Jobs:
    """Return a page of the jobs in a state; `failures` has the name and the words wanted."""
    read = partial(_listed, engine, operations, state, failures)
    if not metadata:
        return await read(page)
    sift = sifted_search if failures.words else sifted
    return await sift(read, metadata, page)


async def _listed(
    engine: Engine, operations: Operations, state: State, failures: Failures, page: Page
) -> Jobs:
    if state == "failed":
        return await listed(engine, operations.get_failed, failures, page)
    if state == "succeeded":
        return await listed(engine, engine.store.get_succeeded, failures.name, page)
    if state == "running":
        return await listed(engine, operations.get_named_running, failures.name, page)
    verb, now = operations.get_waiting, engine.clock.store_now()

    async def ask(page: Page) -> Sequence[Job]:
        call, is_delayed = engine.dispatch.call, state == "delayed"
        return await call(verb, failures.name, delayed=is_delayed, page=page, now=now)

    return await readable(engine, ask, page)
