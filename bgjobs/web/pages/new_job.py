"""The page New job: a form made from the signature of a worker, and what it enqueues."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import bgjobs
from bgjobs.errors import DuplicateJobError
from bgjobs.web.actions.new_job_form import PREFIX, NewJobForm, empty_form, new_job_form
from bgjobs.web.pages.page import PageRequest, WebPage
from bgjobs.web.pages.parts import portion
from bgjobs.web.present.request_text import command_text, python_text
from bgjobs.web.refusals import NOT_ACTING, Refusal, RefusedError

PATH = "/new"
UNKNOWN = Refusal(
    404, "No such worker", "The configuration of this page has no worker of this name."
)
_INVALID, _CONFLICT = 400, 409


async def load(page: PageRequest) -> Mapping[str, Any]:
    """Return the workers, or the form of the one that the address names."""
    if not page.user.may_act:
        raise RefusedError(NOT_ACTING)
    if "worker" in page.fields:
        return _values(empty_form(_worker(page)))
    found = portion(page, PATH, sorted(_places(page.config).items()))
    return {"portion": found, "form": None}


async def act(page: PageRequest) -> str | Mapping[str, Any]:
    """Enqueue the job, or show what the form asks for or what is wrong with it."""
    form = new_job_form(_worker(page), page.fields)
    if form.request is None:
        return {**_values(form), "status": _INVALID}
    if page.fields.get("do") != "enqueue":
        return {**_values(form), **_preview(form.worker, form.request)}
    try:
        job = await page.client.admin.enqueue(form.request, by=page.user.name)
    except DuplicateJobError as error:
        return {**_values(form, holder=error.holder), "status": _CONFLICT}
    return page.links.page(f"/jobs/{job.id}")


def _worker(page: PageRequest) -> bgjobs.Worker[..., Any]:
    name = page.fields.get("worker")
    for worker in page.config.all_workers():
        if worker.name == name:
            return worker
    raise RefusedError(UNKNOWN)


def _places(config: bgjobs.Config) -> Mapping[str, list[str]]:
    """Return where the jobs of each worker run."""
    found = dict[str, list[str]]()
    for name, place in _pairs(config):
        found.setdefault(name, []).append(place)
    return found


def _pairs(config: bgjobs.Config) -> Iterator[tuple[str, str]]:
    for queue in config.queues:
        yield from ((worker.name, f"queue {queue.name}") for worker in queue.workers)
    for job in config.scheduled_jobs:
        yield job.worker.name, f"scheduled job {job.name}"
    for worker in config.enqueue_only:
        yield worker.name, "another process"


def _values(form: NewJobForm, holder: UUID | None = None) -> Mapping[str, Any]:
    return {
        "form": form,
        "prefix": PREFIX,
        "holder": holder,
        "python": None,
        "command": None,
    }


def _preview(
    worker: bgjobs.Worker[..., Any], request: bgjobs.JobRequest[Any]
) -> Mapping[str, str]:
    return {
        "python": python_text(worker, request),
        "command": command_text(worker, request),
    }


NEW_JOB = WebPage(PATH, "New job", "new_job.html", load, in_navigation=False, act=act)
