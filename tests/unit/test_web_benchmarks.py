"""What the web page and activity cost is measured, with the smallest settings."""

from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

import bgjobs
from benchmarks.processes.uncounted import uncounted
from bgjobs.web.pages import PAGES
from tests.fixtures.benchmarks import TINY, measures_of, run_benchmark

HOUR = timedelta(hours=1)


@pytest.mark.slow
@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_every_page_is_measured_and_what_browsers_cost(
    tmp_path: Path, postgres_dsn: str, store: str
) -> None:
    tiny = ("--stores", store, "--rows", "500", "--calls", "1", *TINY)
    found = run_benchmark(tmp_path, "web", *tiny, BGJOBS_TEST_POSTGRES=postgres_dsn)
    measures = measures_of(found, store)
    for page in (one for one in PAGES if one.in_navigation):
        assert any(one.startswith(page.title) and one.endswith("first") for one in measures)
    at_rest = {f"CPU of the server, {count} browsers" for count in (0, 1, 50)}
    assert {"drain", "drain beside 50 browsers", *at_rest} <= measures


@pytest.mark.slow
def test_drains_are_measured_with_and_without_activity(tmp_path: Path) -> None:
    found = run_benchmark(tmp_path, "activity", "--stores", "sqlite", *TINY)
    assert measures_of(found, "sqlite") == {
        f"{measure}, {which} activity"
        for measure in ("drain", "CPU of a drain")
        for which in ("with", "without")
    }


@pytest.mark.parametrize("counts", [True, False])
def test_without_activity_nothing_is_counted(sqlite_path: Path, *, counts: bool) -> None:
    @bgjobs.worker
    async def work() -> None: ...

    queue = bgjobs.Queue("mail", workers=[work])
    config = bgjobs.Config(store=bgjobs.SQLiteStore(sqlite_path), queues=[queue])

    async def run() -> int:
        async with bgjobs.run(config) as bg:
            await bg.enqueue(work.request())
            await bg.drain()
        async with bgjobs.connect(config) as client:
            return sum(one.succeeded for one in await client.activity(HOUR, HOUR))

    with nullcontext() if counts else uncounted():
        assert anyio.run(run, backend="trio") == int(counts)
