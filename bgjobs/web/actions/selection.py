"""Which jobs a form is about: those of some ids, or all that a filter selects."""

from collections.abc import Iterator, Sequence
from typing import final
from uuid import UUID

from attrs import frozen
from starlette.datastructures import QueryParams

import bgjobs
from bgjobs.web.actions.filter_form import JobForm, job_form
from bgjobs.web.actions.verbs import JobVerb
from bgjobs.web.present.text import plural
from bgjobs.web.refusals import Refusal, RefusedError

MOST_SELECTED = 1_000
"""Jobs that can be selected one by one."""
COUNTED = 100_000
"""Where the preview of all jobs of a filter stops counting."""


@final
@frozen(eq=False)
class JobSelection:
    """Some jobs, or a filter."""

    ids: Sequence[UUID]
    form: JobForm | None
    """The filter; None for the jobs of these ids."""
    origin: JobForm | None = None
    """The filter of the list in which the jobs of these ids were selected, if it is known."""

    @property
    def listed(self) -> JobForm | None:
        """The filter of the list from which the user comes, if it is known."""
        return self.form or self.origin

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Yield the names and values of the fields that mean the same selection."""
        if self.form is None:
            yield from (("job", str(one)) for one in self.ids)
        else:
            yield "all", "1"
        if self.listed is not None:
            yield from self.listed.pairs()

    @property
    def words(self) -> str:
        """What is selected, such as ``3 jobs`` or ``all failed jobs of the filter``."""
        if self.form is None:
            return plural(len(self.ids), "job")
        wanted = self.form.wanted
        if wanted == bgjobs.JobFilter(wanted.state):
            return f"all {wanted.state} jobs"
        return f"all {wanted.state} jobs that match"

    async def count(self, client: bgjobs.Client) -> int:
        """Return how many jobs are selected, up to `COUNTED`."""
        if self.form is None:
            return len(self.ids)
        return await client.count_matching(self.form.wanted, at_most=COUNTED)


def selection_of(fields: QueryParams) -> JobSelection:
    """Return what a form selects.

    Raises:
        RefusedError: It selects nothing, too much, or by what is no id or no filter.
    """
    if fields.get("all"):
        return JobSelection((), filter_of(fields))
    ids = list(dict.fromkeys(_id(text) for text in fields.getlist("job")))
    if not ids:
        raise RefusedError(_wrong("No job is selected. Go back and select some."))
    if len(ids) > MOST_SELECTED:
        found = f"{len(ids):,} are selected."
        raise RefusedError(_wrong(f"At most {MOST_SELECTED:,} jobs can be selected; {found}"))
    return JobSelection(ids, None, filter_of(fields) if "state" in fields else None)


def filter_of(fields: QueryParams) -> JobForm:
    """Return the filter of a form; raise `RefusedError` if it cannot be used."""
    form = job_form(fields)
    if form.problems:
        [(field, problem), *_] = form.problems.items()
        raise RefusedError(_wrong(f"The filter cannot be used. {field}: {problem}"))
    return form


def check_state(selection: JobSelection, verb: JobVerb) -> None:
    """Raise `RefusedError` unless the verb can be done with all jobs of a filter."""
    state = None if selection.form is None else selection.form.wanted.state
    if state is not None and state not in verb.states:
        raise RefusedError(_wrong(f"'{verb.label}' is not possible with {state} jobs."))


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise RefusedError(
            _wrong("A job is selected by what is not the id of a job.")
        ) from None


def _wrong(text: str) -> Refusal:
    return Refusal(400, "Nothing was changed", text)
