"""The actions that users have begun at the page: how far each is, and how it ended."""

from collections.abc import Mapping
from typing import Any

from bgjobs.web.actions.runs import Run
from bgjobs.web.pages.page import PageRequest, WebPage
from bgjobs.web.refusals import Refusal, RefusedError

UNKNOWN = Refusal(
    404,
    "No such action",
    "The page does not know this action. It remembers the last ones since it was opened; the "
    "page Audit has all of them.",
)


async def load_all(page: PageRequest) -> Mapping[str, Any]:
    """Return the latest actions."""
    return {"runs": page.system.runs.latest, "now": page.config.clock.now()}


async def load(page: PageRequest) -> Mapping[str, Any]:
    """Return one action."""
    run = _run(page)
    return {"title": run.plan.title, "run": run, "now": page.config.clock.now()}


async def stop(page: PageRequest) -> str:
    """Stop an action behind the batch that it changes."""
    run = _run(page)
    run.stop()
    await run.ended.wait()
    return page.links.page(f"/actions/{run.id}")


def _run(page: PageRequest) -> Run:
    found = page.system.runs.find(page.request.path_params["run"])
    if found is None:
        raise RefusedError(UNKNOWN)
    return found


ACTIONS = WebPage("/actions", "Actions", "actions.html", load_all, live="actions_live.html")
ACTION = WebPage(
    "/actions/{run}",
    "Action",
    "action.html",
    load,
    in_navigation=False,
    live="action_live.html",
    act=stop,
)
