"""All failed jobs are retried from the web page, with a stop halfway, while others use it."""

import html
import re
from collections.abc import Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import final

import anyio
from attrs import frozen

import bgjobs
from benchmarks.databases.ports import Database
from benchmarks.report.figures import Figure, quantile, table
from benchmarks.report.goals import Goal, Verdict
from benchmarks.systems.site import application
from benchmarks.systems.web_caller import Answer, call
from bgjobs import web

JOBS = 100_000
GOAL = 300.0
"""Milliseconds within which 95 % of the answers to others come meanwhile."""
OTHERS = ("/", "/jobs?state=failed", "/jobs?state=waiting", "/queues", "/audit")
"""Pages that others open meanwhile."""
TITLE = "retry of all failed jobs"
_ALL = "/jobs/change?do=retry&all=1&state=failed"
_FIELD = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)">')


@final
@frozen
class Retry:
    """How the jobs were retried, and how long others waited for their pages."""

    jobs: int
    stopped_at: int
    """How many had been retried when the action was stopped."""
    seconds: float
    waits: Sequence[float]
    """Milliseconds of the requests of others."""


def measure_retry(database: Database, scale: float) -> Retry:
    """Retry failed jobs, stop halfway, and go on.

    Raises:
        AssertionError: A job is lost, or was retried twice.
    """
    jobs = max(1_000, int(JOBS * scale))
    with database.tables() as tables:
        tables.fill_failed(jobs, 0)
        tables.analyze()
        return anyio.run(partial(_retry, tables.store, jobs), backend="trio")


def retry_figure(database: Database, found: Retry) -> Figure:
    """Return the waits of others as a figure."""
    measure = f"{TITLE}, other pages"
    return Figure(system=database.name, measure=measure, unit="ms", values=[*found.waits])


def retry_table(database: Database, found: Retry) -> str:
    """Return a table with one row."""
    title = f"{database.name}: {TITLE} from the page"
    header = [title, "stopped at", "jobs/s", "other pages, ms: median", "p95", "worst"]
    row = [
        f"{found.jobs:,} jobs, none lost, none twice",
        f"{found.stopped_at:,}",
        f"{found.jobs / found.seconds:,.0f}",
        *(f"{quantile(found.waits, share):,.1f}" for share in (0.5, 0.95)),
        f"{max(found.waits):,.1f}",
    ]
    return table(header, [row])


def retry_verdict(database: Database, found: Retry) -> Verdict:
    """Return whether others were answered in time."""
    text = f"{database.name}, other pages during a {TITLE}, p95 in ms"
    pair = (text, "found")
    goal = Goal(text=text, ours=pair, other=(text, "wanted"), most=GOAL)
    return Verdict(goal, quantile(found.waits, 0.95))


async def _retry(store: bgjobs.Store, jobs: int) -> Retry:
    config = application(store)
    page = web.app(config, auth=lambda _: web.User("operator", may_act=True))
    waits: list[float] = []
    async with bgjobs.connect(config) as client, page.opened(client):
        started = perf_counter()
        path = await _begin(page, waits)
        while await _changed(page, path) < jobs // 2:
            await _visit(page, waits)
        await _send(page, path)
        stopped_at = await _changed(page, path)
        path = await _begin(page, waits)
        while "Running:" in (await call(page, path)).text:
            await _visit(page, waits)
        seconds = perf_counter() - started
        counts = await client.count(at_most=None)
    if (counts.waiting, counts.failed) != (jobs, 0):
        raise AssertionError(f"expected {jobs:,} waiting and no failed jobs, found {counts}")
    return Retry(jobs, stopped_at, seconds, waits)


async def _begin(page: web.WebApp, waits: list[float]) -> str:
    """Begin the action, and return its address; others use the page meanwhile."""
    answers: list[Answer] = []

    async def send() -> None:
        answers.append(await _send(page, _ALL))

    async with anyio.create_task_group() as group:
        group.start_soon(send)
        while not answers:
            await _visit(page, waits)
    return answers[0].location


async def _visit(page: web.WebApp, waits: list[float]) -> None:
    waits.extend([(await call(page, address)).milliseconds for address in OTHERS])


async def _send(page: web.WebApp, address: str) -> Answer:
    """Open a page and send its form, if it has one."""
    fields = _FIELD.findall((await call(page, address)).text)
    pairs = [(html.unescape(name), html.unescape(value)) for name, value in fields]
    if not pairs:
        return Answer(0.0, "", address)
    return await call(page, address.partition("?")[0], pairs)


async def _changed(page: web.WebApp, path: str) -> int:
    """Return how many jobs an action has changed."""
    text = re.sub(r"<[^>]+>", "", (await call(page, path)).text)
    found = re.search(r"(?:Running|Done|Stopped): ([0-9,.]+ ?[kM]?)", text)
    if found is None:
        raise AssertionError(f"{path}: expected a progress, found another page")
    return _number(found[1])


def _number(text: str) -> int:
    units: Mapping[str, int] = {"k": 1_000, "M": 1_000_000}
    digits = text.rstrip("kM ").replace(",", "")
    return int(float(digits) * units.get(text[-1], 1))
