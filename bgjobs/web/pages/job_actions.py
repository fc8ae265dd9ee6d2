"""The page that asks for confirmation before jobs are changed, and begins the change."""

from collections.abc import Iterator, Mapping
from typing import Any, final

from anyio import move_on_after
from attrs import frozen

from bgjobs._core.job_tree import MOST_COUNTED, taken_along
from bgjobs.errors import UnknownJobError, UnreadableJobError
from bgjobs.web.actions.filter_form import JobForm
from bgjobs.web.actions.runs import Plan, Run
from bgjobs.web.actions.selection import COUNTED, JobSelection, check_state, selection_of
from bgjobs.web.actions.settings_form import SettingsForm, settings_form
from bgjobs.web.actions.verbs import VERBS, JobChange, JobVerb
from bgjobs.web.pages.page import PageRequest, WebPage
from bgjobs.web.refusals import NOT_ACTING, NOT_FOUND, RefusedError

PATH = "/jobs/change"
PATIENCE = 2.0
"""Seconds that a browser waits for the end of an action before it is shown as running."""
MOST_LINKS = 20
"""Changed jobs to which the page of the action links."""
_INVALID = 400


@final
@frozen(eq=False)
class Asked:
    """What a user asks for."""

    verb: JobVerb
    selection: JobSelection
    count: int
    """How many jobs are selected, up to `COUNTED`."""
    form: SettingsForm

    @property
    def title(self) -> str:
        """What it does, such as ``Retry 3 jobs``."""
        return f"{self.verb.label} {self.selection.words}"

    def address(self, page: PageRequest) -> str:
        """Return the address of the page that asks for the same."""
        pairs = [("do", self.verb.name), *self.selection.pairs()]
        typed = [(name, text) for name, text in self.form.typed.items() if text]
        return page.links.page(PATH, *pairs, *typed)


async def load(page: PageRequest) -> Mapping[str, Any]:
    """Return what the form asks for, before anything is changed."""
    if not page.user.may_act:
        raise RefusedError(NOT_ACTING)
    return await _values(page, await _asked(page), {})


async def act(page: PageRequest) -> str | Mapping[str, Any]:
    """Begin the change, and return the address of its progress."""
    asked = await _asked(page)
    if asked.form.problems:
        return {**await _values(page, asked, asked.form.problems), "status": _INVALID}
    expected = asked.count if asked.selection.form is None or asked.count < COUNTED else None
    again, links = asked.address(page), [*_links(page, asked)]
    plan = Plan(asked.title, page.user.name, expected, again, links)
    change = JobChange(asked.verb, page.user.name, asked.form.settings)
    client, selection = page.client, asked.selection

    async def work(run: Run) -> None:
        if selection.form is None:
            run.report(await change.to_ids(client, selection.ids))
        else:
            await change.to_all(client, selection.form.wanted, run)

    run = page.system.runs.begin(plan, work)
    with move_on_after(PATIENCE):
        await run.ended.wait()
    return page.links.page(f"/actions/{run.id}")


async def _asked(page: PageRequest) -> Asked:
    verb = VERBS.get(page.fields.get("do", ""))
    if verb is None:
        raise RefusedError(NOT_FOUND)
    selection = selection_of(page.fields)
    check_state(selection, verb)
    count = await selection.count(page.client)
    return Asked(verb, selection, count, settings_form(verb, page.fields))


def _links(page: PageRequest, asked: Asked) -> Iterator[tuple[str, str]]:
    """Yield the texts and the addresses of pages that show the effect."""
    listed = asked.selection.listed
    if listed is not None:
        yield "Jobs of this filter", _list(page, listed)
    elif asked.verb.name == "delete":
        yield "Jobs", _list(page, None)
    if asked.verb.name != "delete":
        for one in asked.selection.ids[:MOST_LINKS]:
            yield f"Job {one}", page.links.page(f"/jobs/{one}")


def _list(page: PageRequest, form: JobForm | None) -> str:
    return page.links.page("/jobs", *(() if form is None else form.pairs()))


def _back(page: PageRequest, selection: JobSelection) -> str:
    """Return the address of the page from which the user comes."""
    if selection.listed is None and len(selection.ids) == 1:
        return page.links.page(f"/jobs/{selection.ids[0]}")
    return _list(page, selection.listed)


async def _descendants(page: PageRequest, asked: Asked) -> str:
    """Return what is cancelled together with one job; nothing for jobs and other actions."""
    selection = asked.selection
    if asked.verb.name != "cancel" or selection.form is not None or len(selection.ids) != 1:
        return ""
    try:
        return taken_along(await page.client.tree(selection.ids[0], most=MOST_COUNTED))
    except (UnknownJobError, UnreadableJobError):
        return ""


async def _values(
    page: PageRequest, asked: Asked, problems: Mapping[str, str]
) -> Mapping[str, Any]:
    """Return what the page shows; problems are shown once the form was sent."""
    return {
        "title": asked.title,
        "asked": asked,
        "problems": problems,
        "at_most": COUNTED,
        "descendants": await _descendants(page, asked),
        "back": _back(page, asked.selection),
    }


JOB_ACTIONS = WebPage(
    PATH, "Change jobs", "job_actions.html", load, in_navigation=False, act=act
)
