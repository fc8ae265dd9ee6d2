"""The scheduled jobs: in words, with their next runs and their last ones."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, final

from attrs import frozen
from markupsafe import Markup

from bgjobs import JobFilter, Page, ScheduleState, State
from bgjobs.web.pages.page import PageRequest, WebPage
from bgjobs.web.pages.parts import part, portion
from bgjobs.web.present.charts import MOST_RUNS, RunMark, strip
from bgjobs.web.present.last_runs import ENDS, last_runs
from bgjobs.web.present.schedules_view import ScheduleWords, schedule_words
from bgjobs.web.present.text import label

PORTION = 20
"""Scheduled jobs on a page; each takes three reads of the store."""


@final
@frozen
class ListedSchedule:
    """A scheduled job, as the page shows it."""

    state: ScheduleState
    words: ScheduleWords | None
    """None if this version of bgjobs cannot read the schedule."""
    last: RunMark | None
    """The last run that has ended, if its job is still stored and can be read."""
    runs: Markup | None
    """The last runs that have ended; None if the store refused to return them."""
    links: Sequence[tuple[str, str]]
    """Texts and addresses of the lists of its jobs."""

    @property
    def condition(self) -> str:
        """What it does now."""
        if self.state.paused:
            return "paused"
        if self.state.running:
            return "running"
        return "not planned" if self.state.occurrence is None else "waiting"


async def load(page: PageRequest) -> Mapping[str, Any]:
    """Return the scheduled jobs of the configuration, and those of other processes."""
    states = await part(page.client.admin.schedules())
    shown = portion(page, "/schedules", states or (), PORTION)
    now = page.config.clock.now()
    return {
        "portion": shown,
        "rows": [await _listed(page, state, now) for state in shown.rows],
        "now": now,
        "is_complete": states is not None,
    }


async def _listed(page: PageRequest, state: ScheduleState, now: datetime) -> ListedSchedule:
    words = None if state.schedule is None else schedule_words(state.schedule, now)
    marks = await part(_last_runs(page, state))
    runs = None if marks is None else strip(f"Last runs of {label(state.name, 100)}", marks)
    last = marks[-1] if marks else None
    return ListedSchedule(state, words, last, runs, _links(page, state))


async def _last_runs(page: PageRequest, state: ScheduleState) -> Sequence[RunMark]:
    """Return the last runs of a scheduled job that have ended, and those that were missed."""
    few = Page(MOST_RUNS)
    try:
        # A run that was cancelled before it began has no queue.
        wanted: list[JobFilter[State]] = [
            JobFilter("succeeded", name=state.worker, queue=state.name),
            JobFilter("failed", name=state.worker, queue=state.name),
            JobFilter("cancelled", name=state.worker),
        ]
    except ValueError:  # a stored name that no database can look up
        return []
    return last_runs(
        state.name, [job for one in wanted for job in await page.client.list(one, few)]
    )


def _links(page: PageRequest, state: ScheduleState) -> Sequence[tuple[str, str]]:
    """Return links to the lists of its runs that have ended."""
    return [(one, _address(page, state, one)) for one in ENDS]


def _address(page: PageRequest, state: ScheduleState, ended: str) -> str:
    query = {"state": ended, "name": state.worker, "queue": state.name}
    return page.links.page("/jobs", **query)


SCHEDULES = WebPage(
    "/schedules", "Schedules", "schedules.html", load, live="schedules_live.html"
)
