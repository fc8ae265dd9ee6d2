"""How long the answers of the web page take over large tables."""

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, final
from uuid import UUID

import anyio
from attrs import frozen

import bgjobs
from benchmarks.databases.ports import ROW_ID, Database, Tables
from benchmarks.report.figures import Figure, quantile, table
from benchmarks.systems.site import application
from benchmarks.systems.web_caller import call
from bgjobs import web
from bgjobs.web.actions.filter_form import STATES
from bgjobs.web.links import with_query
from bgjobs.web.pages import PAGES
from bgjobs.web.pages.job import JOB
from bgjobs.web.pages.jobs import JOBS
from bgjobs.web.pages.overview import OVERVIEW, SPANS

GOAL = 150.0
"""Milliseconds that 95 % of the first answers take less than."""
WARM_UP = 2
FIRST, AGAIN = "first", "again"


@final
@frozen
class PageFigures:
    """The answers of one page."""

    page: str
    first: Figure
    """Of requests that share nothing with those before: all is read from the store."""
    again: Figure
    """Of requests that follow immediately, and show what was read for the first one."""

    @property
    def cells(self) -> Sequence[str]:
        """A row of the table."""
        first, again = self.first.values, self.again.values
        found = [*_summary(first), *_summary(again)[:2]]
        return [self.page, *(f"{one:,.1f}" for one in found)]

    @property
    def is_slow(self) -> bool:
        """Whether the first answers miss the goal."""
        return quantile(self.first.values, 0.95) >= GOAL


def _summary(values: Sequence[float]) -> Sequence[float]:
    return [quantile(values, 0.5), quantile(values, 0.95), max(values)]


def pages_table(database: Database, pages: Sequence[PageFigures]) -> str:
    """Return a table with a row for each page."""
    title = f"{database.name}: ms a page"
    header = [title, "first: median", "p95", "worst", "again: median", "p95"]
    return table(header, [one.cells for one in pages])


def measure_pages(database: Database, tables: Tables, calls: int) -> Sequence[PageFigures]:
    """Request each page in turn, `calls` times, in this process and without a network."""
    values = anyio.run(partial(_durations, tables.store, calls), backend="trio")

    def figure(page: str, which: str) -> Figure:
        measure = f"{page}, {which}"
        found = values[page, which]
        return Figure(system=database.name, measure=measure, unit="ms", values=found)

    pages = list(dict.fromkeys(page for page, _ in values))
    return [PageFigures(one, figure(one, FIRST), figure(one, AGAIN)) for one in pages]


async def _durations(store: bgjobs.Store, calls: int) -> Mapping[tuple[str, str], list[float]]:
    config = application(store)
    user = web.User("operator", may_act=True, may_see_arguments=True)
    page = web.app(config, auth=lambda _: user)
    values = dict[tuple[str, str], list[float]]()
    async with bgjobs.connect(config) as client:
        addresses = await _addresses(client)
        for number in range(-WARM_UP, calls):
            print(f"requests {number + 1} of {calls}", file=sys.stderr, flush=True)
            for name, address in addresses.items():
                async with page.opened(client):  # it begins with nothing that is shared
                    for which in (FIRST, AGAIN):
                        taken = (await call(page, address)).milliseconds
                        if number >= 0:
                            values.setdefault((name, which), []).append(taken)
    return values


async def _addresses(client: bgjobs.Client) -> Mapping[str, str]:
    """Return the addresses by what they show: each page, and more of the longer ones."""
    states: Sequence[bgjobs.State] = ("waiting", "succeeded", "failed")
    ids = {state: await _any_id(client, state) for state in states}
    last, first = ids["succeeded"].int, int(UUID(f"{ROW_ID}000000000000"))
    middle = bgjobs.Page(1, after=UUID(int=(first + last) // 2))
    position = (await client.list(bgjobs.JobFilter("succeeded"), middle)).after
    jobs: Mapping[str, Mapping[str, Any]] = {
        "a page in the middle": {"state": "succeeded", "position": position},
        "failed, of a worker": {"name": "worker_1"},
        "waiting, of a worker": {"state": "waiting", "name": "worker_9"},
        "waiting, of a worker without any": {"state": "waiting", "name": "another"},
        "failed, of a queue without any": {"queue": "mail"},
        "succeeded, before all": {"state": "succeeded", "before": "2001-01-01"},
        "succeeded, of metadata of none": {"state": "succeeded", "metadata": "tenant=7"},
        "search, a word of all": {"search": "timeout"},
        "search, a word of a few": {"search": "rare"},
        "search, a word of none": {"search": "nothing"},
        "search, of a worker": {"search": "timeout", "name": "worker_1"},
        "search, the beginning of a word": {"search": "time*"},
    }
    longer = (OVERVIEW, JOBS, JOB)
    return {
        **{f"Overview, {span.name}": f"/?span={span.name}" for span in SPANS},
        **{f"Jobs, {state}": with_query("/jobs", state=state) for state in STATES},
        **{f"Jobs, {name}": _jobs(parts) for name, parts in jobs.items()},
        **{f"Job, {state}": f"/jobs/{found}" for state, found in ids.items()},
        **{one.title: one.path for one in PAGES if one.in_navigation and one not in longer},
        "Retry all failed jobs?": "/jobs/change?do=retry&all=1&state=failed",
    }


async def _any_id(client: bgjobs.Client, state: bgjobs.State) -> UUID:
    job_id: UUID = (await client.list(bgjobs.JobFilter(state), bgjobs.Page(1)))[0].id
    return job_id


def _jobs(parts: Mapping[str, Any]) -> str:
    return with_query("/jobs", **{name: str(value) for name, value in parts.items()})
