"""The page that exports the jobs of a filter as CSV."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, cast

from starlette.responses import Response, StreamingResponse

import bgjobs
from bgjobs.web.actions.selection import COUNTED, filter_of
from bgjobs.web.pages.page import PageRequest, WebPage
from bgjobs.web.present.csv_rows import csv_head, csv_row
from bgjobs.web.refusals import NOT_ACTING, NOT_FOUND, RefusedError

PATH = "/jobs/export"
PART = 200
"""Lines that are sent at once."""


async def load(page: PageRequest) -> Mapping[str, Any]:
    """Return what will be exported."""
    if not page.user.may_act:
        raise RefusedError(NOT_ACTING)
    form = filter_of(page.fields)
    if form.wanted.state == "unreadable":
        raise RefusedError(NOT_FOUND)
    count = await page.client.count_matching(form.wanted, at_most=COUNTED)
    back = page.links.page("/jobs", *form.pairs())
    return {"form": form, "count": count, "at_most": COUNTED, "back": back}


async def act(page: PageRequest) -> Response:
    """Send the jobs as a file."""
    form = filter_of(page.fields)
    if form.wanted.state == "unreadable":
        raise RefusedError(NOT_FOUND)
    name = f"jobs-{form.wanted.state}.csv"
    return StreamingResponse(
        _lines(page.client, form.wanted, page.user.name),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _lines(
    client: bgjobs.Client, wanted: bgjobs.JobFilter[bgjobs.State], by: str
) -> AsyncGenerator[str]:
    part = [csv_head()]
    found = client.admin.export_jobs(wanted, by=by)
    async with aclosing(cast("AsyncGenerator[bgjobs.AnyJob]", found)) as jobs:
        async for job in jobs:
            part.append(csv_row(job))
            if len(part) >= PART:
                yield "".join(part)
                part.clear()
    yield "".join(part)


EXPORT = WebPage(PATH, "Export jobs", "export.html", load, in_navigation=False, act=act)
