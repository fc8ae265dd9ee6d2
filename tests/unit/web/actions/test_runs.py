"""Actions: how many run and are remembered, how each ends, and what is kept of errors."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import anyio
import anyio.lowlevel
import pytest

from bgjobs.web.actions.runs import (
    MOST_KEPT,
    MOST_RUNNING,
    Plan,
    Run,
    Runs,
    nursery_of_runs,
)
from bgjobs.web.refusals import RefusedError

pytestmark = pytest.mark.anyio
PLAN = Plan("Retry 3 jobs", "ada", 3, "/jobs/change")
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


@asynccontextmanager
async def opened() -> AsyncGenerator[Runs]:
    async with nursery_of_runs() as nursery:
        yield Runs(nursery, lambda: NOON)


async def at_once(run: Run) -> None:
    run.report(3)


async def forever(run: Run) -> None:
    run.report(2)
    await anyio.sleep_forever()


async def wrong(run: Run) -> None:
    raise ValueError("a secret of the database")


@pytest.mark.parametrize(
    ("work", "outcome", "changed"), [(at_once, "done", 3), (wrong, "failed", 0)]
)
async def test_an_action_ends_as_its_work_does(
    work: object, outcome: str, changed: int
) -> None:
    async with opened() as runs:
        run = runs.begin(PLAN, work)  # type: ignore[arg-type] # a parameter of the test
        await run.ended.wait()
        assert (run.outcome, run.changed, run.ended_at) == (outcome, changed, NOON)
        assert runs.find(run.id) is run
        assert "secret" not in run.problem
        assert ("reference" in run.problem) == (outcome == "failed")


async def test_an_action_that_is_stopped_keeps_what_it_has_changed() -> None:
    async with opened() as runs:
        first, second = runs.begin(PLAN, forever), runs.begin(PLAN, forever)
        while second.changed < 2:
            await anyio.lowlevel.checkpoint()
        first.stop()
        await first.ended.wait()
        assert (first.outcome, first.changed, second.outcome) == ("stopped", 2, "running")
    assert second.outcome == "stopped"


async def test_as_many_run_as_may() -> None:
    async with opened() as runs:
        first, *_ = [runs.begin(PLAN, forever) for _ in range(MOST_RUNNING)]
        with pytest.raises(RefusedError) as caught:
            runs.begin(PLAN, at_once)
        assert caught.value.refusal.status == 429
        assert len(runs.latest) == MOST_RUNNING
        first.stop()
        await first.ended.wait()
        await runs.begin(PLAN, at_once).ended.wait()


async def test_the_oldest_that_have_ended_are_forgotten() -> None:
    async with opened() as runs:
        running = runs.begin(PLAN, forever)
        for _ in range(MOST_KEPT + 5):
            await runs.begin(PLAN, at_once).ended.wait()
        assert len(runs.latest) == MOST_KEPT
        assert runs.latest[-1] is running
