"""The page of one job: its facts, its life, its arguments, its errors."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, final
from uuid import UUID

from attrs import frozen
from markupsafe import Markup

import bgjobs
from bgjobs._core.job_tree import waits_text
from bgjobs._core.timeline import WAITS
from bgjobs.errors import UnknownJobError, UnreadableJobError
from bgjobs.web.actions.verbs import VERBS
from bgjobs.web.pages.documents import Documents, documents_for
from bgjobs.web.pages.page import PageRequest, WebPage
from bgjobs.web.present import errors_view
from bgjobs.web.present.job_graph import MOST_NODES, job_graph
from bgjobs.web.present.job_rows import progress_text, state_time
from bgjobs.web.present.life import life
from bgjobs.web.present.life_chart import life_figure
from bgjobs.web.present.text import passage
from bgjobs.web.refusals import Refusal, RefusedError

MOST_METADATA = 100
"""Keys of metadata that are shown."""
_LONGEST_COLUMN = 1_000
_TRACE_PARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
"""See https://www.w3.org/TR/trace-context/#traceparent-header."""


@final
@frozen
class ShownParent:
    """The parent of a job: a link to its page, or what it is, if it has none."""

    address: str = ""
    text: str = ""
    node: str = ""
    """Host and process of an application."""


async def load(page: PageRequest) -> Mapping[str, Any]:
    """Return what is known of a job, or of a row that cannot be read as one."""
    job_id: UUID = page.request.path_params["id"]
    try:
        job = await page.client.find(job_id)
    except UnreadableJobError as error:
        return await _unreadable(page, error.job)
    if job is None:
        raise RefusedError(_unknown(job_id))
    return await _known(page, job)


async def _known(page: PageRequest, job: bgjobs.AnyJob) -> Mapping[str, Any]:
    tree = await _tree(page, job)
    entries = await page.client.timeline(job, tree=tree)
    now = page.config.clock.now()
    documents = documents_for(page, job.name)
    return {
        "job": job,
        "row": None,
        "now": now,
        "since": state_time(job),
        "runner": next((one for one in reversed(entries) if one.queue or one.node), None),
        "progress": None if job.progress is None else progress_text(job.progress),
        "life": life_figure(life(job, entries, now)),
        "children": "" if tree is None else _graph(page, tree),
        "waits": "" if tree is None else waits_text(tree),
        "waits_since": next((one.at for one in entries if one.what == WAITS), None),
        "parent": await _parent(page, job),
        "documents": documents,
        "arguments": await documents.arguments(job.payload),
        "result": await _result(job, documents),
        "errors": [(*one, errors_view.error(text)) for *one, text in _errors(job)],
        "ends": [one for one in job.history if isinstance(one, bgjobs.PastEnd)],
        "metadata": sorted(job.metadata.items())[:MOST_METADATA],
        "more_metadata": max(0, len(job.metadata) - MOST_METADATA),
        "trace_id": _trace_id(job.metadata),
        "trace_url": page.trace_url,
        "neighbours": [*_neighbours(page, job)],
        "verbs": [one for one in VERBS.values() if one.fits(job)],
    }


async def _tree(page: PageRequest, job: bgjobs.AnyJob) -> bgjobs.JobTree | None:
    """Return the job with its descendants; None if it was changed meanwhile."""
    try:
        return await page.client.tree(job, most=MOST_NODES)
    except (UnknownJobError, UnreadableJobError):
        return None


def _graph(page: PageRequest, tree: bgjobs.JobTree) -> Markup:
    return job_graph(tree, lambda one: page.links.page(f"/jobs/{one}"))


async def _parent(page: PageRequest, job: bgjobs.AnyJob) -> ShownParent:
    """Return the page of its parent; of a parent without a page, what it is."""
    try:
        parent = await page.client.parent(job)
    except UnreadableJobError:
        return ShownParent(page.links.page(f"/jobs/{job.parent_id}"))
    if parent is None:
        return ShownParent(text="not stored any more")
    if isinstance(parent, bgjobs.Owner):
        return ShownParent(text="the nursery of an application", node=parent.node)
    return ShownParent(page.links.page(f"/jobs/{job.parent_id}"))


async def _result(job: bgjobs.AnyJob, documents: Documents) -> Any:
    if not isinstance(job, bgjobs.SucceededJob) or job.result_json is None:
        return None
    return await documents.result(job.result_json)


def _errors(job: bgjobs.AnyJob) -> Iterator[tuple[Any, ...]]:
    """Yield the attempt, the time and the text of each error, the last one first."""
    last = job.errors[-1].error if job.errors else None
    if isinstance(job, bgjobs.FailedJob) and job.error != last:
        yield None, job.failed_at, job.error
    for one in reversed(job.errors):
        yield one.attempt, one.failed_at, one.error


def _trace_id(metadata: Mapping[str, str]) -> str | None:
    """Return the id of the trace that `bgjobs.telemetry` has stored with the request."""
    found = _TRACE_PARENT.fullmatch(metadata.get("traceparent", ""))
    return None if found is None else found[1]


def _neighbours(page: PageRequest, job: bgjobs.AnyJob) -> Iterator[tuple[str, str]]:
    """Yield the texts and the addresses of lists that the job may be in, and of a new job."""

    def address(**values: str) -> str:
        return page.links.page("/jobs", state=job.state, **values)

    yield f"{job.state} jobs of this worker", address(name=job.name)
    if page.user.may_act and any(one.name == job.name for one in page.config.all_workers()):
        yield "new job with other arguments", page.links.page("/new", worker=job.name)
    if job.reserved_by is not None and job.state not in ("waiting", "delayed"):
        yield f"{job.state} jobs of the same owner", address(owner=str(job.reserved_by))
        if job.occurrence is not None:
            name = job.occurrence.recurrence.name
            yield f"{job.state} jobs of this schedule", address(queue=name)


async def _unreadable(page: PageRequest, row: bgjobs.UnreadableJob) -> Mapping[str, Any]:
    documents = documents_for(page, row.columns.get("name"))
    shown = row.columns.items() if page.user.may_see_arguments else ()
    columns = [(name, await _column(documents, name, value)) for name, value in shown]
    verbs = [one for one in VERBS.values() if one.fits(row)]
    return {
        "job": None,
        "row": row,
        "columns": columns,
        "verbs": verbs,
        "title": "Unreadable row",
    }


async def _column(documents: Documents, name: str, value: str | int | None) -> Markup:
    if name == "payload" and isinstance(value, str):
        return await documents.arguments(value)
    if name == "result" and isinstance(value, str):
        return await documents.result(value)
    return passage("null" if value is None else str(value), _LONGEST_COLUMN)


def _unknown(job_id: UUID) -> Refusal:
    text = f"There is no job with the id {job_id}. It may have been deleted after its end."
    return Refusal(404, "No such job", text)


JOB = WebPage(
    "/jobs/{id:uuid}", "Job", "job.html", load, in_navigation=False, live="job_live.html"
)
