"""The page Jobs: the jobs of a filter, which is in the address."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import bgjobs
from bgjobs.web.actions.filter_form import STATES, JobForm, job_form
from bgjobs.web.actions.verbs import VERBS
from bgjobs.web.pages.page import PageRequest, WebPage
from bgjobs.web.pages.parts import part
from bgjobs.web.present.job_rows import job_rows
from bgjobs.web.present.text import label

LIMIT = 50
"""Jobs on one page."""
EXAMINED = 10_000
"""How many rows are read for one page, where no index finds the jobs; see `JobFilter`."""
MOST_OWNERS = 200
"""Running queues that the form suggests as owners."""
EXAMINED_WHOLE = 1_000
"""The same for metadata, which is read with the whole jobs."""
_INVALID = 400


async def load(page: PageRequest) -> Mapping[str, Any]:
    """Return the form, and the jobs that it selects; without them if it is invalid."""
    form = job_form(page.request.query_params)
    examined = EXAMINED_WHOLE if form.metadata else EXAMINED
    values = {
        "form": form,
        "states": STATES,
        **_names(page.config),
        "owners": () if form.problems else await _owners(page),
        "examined": examined,
    }
    if form.problems:
        return {**values, "jobs": None, "status": _INVALID}
    asked = bgjobs.Page(LIMIT, form.position, examined=examined)
    found = await page.client.list(form.wanted, asked)
    running = found if form.wanted.state == "running" else ()
    waits = await part(page.client.waits(*running)) or ()
    return {**values, **_listed(page, form, found, waits)}


async def _owners(page: PageRequest) -> Sequence[tuple[UUID, str]]:
    """Return the owners that the form suggests, with what they run."""
    found = await part(page.client.admin.owners()) or ()
    return [(one.id, label(f"{one.name} on {one.node}", 100)) for one in found[:MOST_OWNERS]]


def _listed(
    page: PageRequest, form: JobForm, found: bgjobs.Listing[Any], waits: Collection[UUID]
) -> Mapping[str, object]:
    def address(after: bgjobs.Cursor | None) -> str:
        return page.links.page("/jobs", *form.pairs(after))

    return {
        "jobs": job_rows(found, waits),
        "now": page.config.clock.now(),
        "is_short": len(found) < LIMIT and found.after is not None,
        "following": None if found.after is None else address(found.after),
        "first": None if form.position is None else address(None),
        "verbs": [one for one in VERBS.values() if form.wanted.state in one.states],
    }


def _names(config: bgjobs.Config) -> Mapping[str, Sequence[str]]:
    """Return the names that the form suggests."""
    queues = {one.name for one in config.queues}
    return {
        "workers": sorted({one.name for one in config.all_workers()}),
        "queues": sorted(queues | {one.name for one in config.scheduled_jobs}),
    }


JOBS = WebPage("/jobs", "Jobs", "jobs.html", load, live="jobs_live.html")
