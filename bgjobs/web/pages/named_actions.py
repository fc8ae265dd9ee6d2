"""The pages that ask for confirmation before a queue or a scheduled job is changed."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias, final

from attrs import frozen

from bgjobs import Admin
from bgjobs.errors import UnknownNameError
from bgjobs.web.pages.page import PageRequest, WebPage
from bgjobs.web.refusals import NOT_ACTING, NOT_FOUND, Refusal, RefusedError

Work: TypeAlias = Callable[[Admin, str, str], Awaitable[str]]
"""Changes what has a name, for an author, and returns the path of the page that shows it."""


@final
@frozen
class NamedVerb:
    """Something that can be done with a queue or a scheduled job."""

    name: str
    """Its name in addresses."""
    label: str
    """The beginning of a sentence, and the text of its button."""
    effect: str
    """What it does, in a sentence or two."""
    work: Work


async def _pause_queue(admin: Admin, name: str, by: str) -> str:
    await admin.pause_queue(name, by=by)
    return "/queues"


async def _resume_queue(admin: Admin, name: str, by: str) -> str:
    await admin.resume_queue(name, by=by)
    return "/queues"


async def _pause_schedule(admin: Admin, name: str, by: str) -> str:
    await admin.schedule(name).pause(by=by)
    return "/schedules"


async def _resume_schedule(admin: Admin, name: str, by: str) -> str:
    await admin.schedule(name).resume(by=by)
    return "/schedules"


async def _trigger(admin: Admin, name: str, by: str) -> str:
    job = await admin.schedule(name).trigger(by=by)
    return f"/jobs/{job.id}"


OF_QUEUES: Sequence[NamedVerb] = (
    NamedVerb(
        "pause",
        "Pause",
        "No process reserves jobs for it until it is resumed, also after a restart. Jobs that "
        "run go on.",
        _pause_queue,
    ),
    NamedVerb("resume", "Resume", "All processes reserve jobs for it again.", _resume_queue),
)
OF_SCHEDULES: Sequence[NamedVerb] = (
    NamedVerb(
        "pause",
        "Pause",
        "No run begins until it is resumed. A run that is under way goes on; one that has "
        "failed and waits for its next attempt is given up.",
        _pause_schedule,
    ),
    NamedVerb(
        "resume",
        "Resume",
        "Its next run is planned. Runs that were missed while it was paused are not made up.",
        _resume_schedule,
    ),
    NamedVerb(
        "trigger",
        "Run now",
        "An extra run is enqueued. The planned run stays as it is.",
        _trigger,
    ),
)


async def _load(path: str, verbs: Sequence[NamedVerb], page: PageRequest) -> Mapping[str, Any]:
    if not page.user.may_act:
        raise RefusedError(NOT_ACTING)
    verb, name = _asked(verbs, page)
    return {
        "title": verb.label,
        "verb": verb,
        "named": name,
        "path": page.links.page(path),
        "back": page.links.page(path.removesuffix("/change")),
    }


async def _act(verbs: Sequence[NamedVerb], page: PageRequest) -> str:
    verb, name = _asked(verbs, page)
    try:
        return page.links.page(await verb.work(page.client.admin, name, page.user.name))
    except UnknownNameError as error:
        raise RefusedError(
            Refusal(404, "Unknown name", f"Nothing was changed: {error}.")
        ) from None


def _asked(verbs: Sequence[NamedVerb], page: PageRequest) -> tuple[NamedVerb, str]:
    wanted, name = page.fields.get("do"), page.fields.get("name", "")
    verb = next((one for one in verbs if one.name == wanted), None)
    if verb is None or not name or "\0" in name:
        raise RefusedError(NOT_FOUND)
    return verb, name


def _page(path: str, title: str, verbs: Sequence[NamedVerb]) -> WebPage:
    return WebPage(
        path,
        title,
        "named_action.html",
        partial(_load, path, verbs),
        in_navigation=False,
        act=partial(_act, verbs),
    )


QUEUE_ACTIONS = _page("/queues/change", "Change a queue", OF_QUEUES)
SCHEDULE_ACTIONS = _page("/schedules/change", "Change a scheduled job", OF_SCHEDULES)
