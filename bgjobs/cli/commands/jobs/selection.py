"""Which jobs a change is about, by id or all that fit, and what became of them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NoReturn, final
from uuid import UUID

import click
from attrs import frozen

import bgjobs
from bgjobs.cli.counting import Count
from bgjobs.cli.errors import Fault
from bgjobs.cli.exits import ExitCode
from bgjobs.cli.output import terminal as screen
from bgjobs.cli.session import Session
from bgjobs.cli.states import UNREADABLE, State, state_of
from bgjobs.errors import UnknownJobError, UnreadableJobError


def check(ids: Sequence[str], *, all_of_them: bool, is_narrowed: bool) -> None:
    """Expect ids or --all, and a choice only with --all."""
    if bool(ids) == all_of_them:
        found = "both" if ids else "neither"
        raise Fault(f"expected ids, or --all; found {found}")
    if ids and is_narrowed:
        raise Fault("the options that choose jobs go with --all, not with ids")


_WORDS = {"asked": "asked the process that runs it to cancel"}
_IT: Mapping[State, str] = {
    "waiting": "it waits",
    "delayed": "it waits for its time",
    "running": "it runs",
    "succeeded": "it has succeeded",
    "failed": "it has failed",
}


@final
@frozen
class Done:
    """What became of the jobs that were named."""

    done: Mapping[str, Collection[UUID]]
    refused: Mapping[UUID, str]
    """Why; empty where there is no such job."""

    @property
    def code(self) -> ExitCode:
        """How the command ends."""
        if not self.refused:
            return ExitCode.DONE
        is_any_done = any(self.done.values())
        is_any_there = any(self.refused.values())
        return ExitCode.NOT_DONE if is_any_done or is_any_there else ExitCode.UNKNOWN_JOB


async def done(
    admin: bgjobs.Admin,
    asked: Iterable[UUID],
    changed: Mapping[str, Collection[UUID]],
    reasons: Mapping[State, str] | None = None,
    refusals: Mapping[UUID, str] | None = None,
) -> Done:
    """Find out why the others were refused.

    `reasons` says it where a state alone does not, `refusals` what the database said.
    """
    known: Mapping[State, str] = {**_IT, **(reasons or {})}
    told = refusals or {}
    handled = {one for ids in changed.values() for one in ids}
    refused = [one for one in asked if one not in handled]
    why = {one: told.get(one) or await _why(admin, one, known) for one in refused}
    return Done(changed, why)


async def _why(admin: bgjobs.Admin, job_id: UUID, reasons: Mapping[State, str]) -> str:
    try:
        job = await admin.get(job_id)
    except UnknownJobError:
        return ""
    except UnreadableJobError as error:
        return f"its row cannot be read: {error.job.reason}"
    state = state_of(job, datetime.now(UTC))
    if job.occurrence is not None and state in ("waiting", "delayed"):
        return f"it waits for schedule {job.occurrence.plan.name}: pause or trigger that"
    return reasons[state]


def tell(what: Done, *, with_json: bool) -> NoReturn:
    """Say what became of each, and end the command."""
    if with_json:
        groups = {**what.done, "refused": what.refused}
        screen.json({name: sorted(map(str, ids)) for name, ids in groups.items()})
    for name, ids in what.done.items():
        for one in () if with_json else ids:
            screen.line(f"{_WORDS.get(name, name)} {one}")
    for one, why in what.refused.items():
        screen.note(f"refused {one}: {why or 'there is no such job'}")
    raise click.exceptions.Exit(what.code)


async def _state_of(admin: bgjobs.Admin, job_id: UUID) -> str:
    try:
        return state_of(await admin.get(job_id), datetime.now(UTC))
    except UnreadableJobError:
        return UNREADABLE


def tell_found(
    session: Session,
    ids: Sequence[UUID],
    wanted: Collection[State],
    *,
    also: Collection[str] = (),
    with_json: bool,
) -> None:
    """Show which of these jobs a change would touch, and of rows that are none."""

    async def look(admin: bgjobs.Admin) -> list[tuple[UUID, str]]:
        return [(one, await _state_of(admin, one)) for one in ids]

    states = session.administered(look)
    touched = {*wanted, *also}
    fitting = [one for one, state in states if state in touched]
    if with_json:
        screen.json({"would_change": [str(one) for one in fitting]})
        return
    for one, state in states:
        screen.line(f"{'would change' if state in touched else 'would refuse'} {one}: {state}")


def tell_count(key: str, text: str, count: Count, *, with_json: bool) -> None:
    """Say how many jobs a change would touch."""
    if with_json:
        screen.json({key: count.least, "is_exact": count.exactly is not None})
    else:
        screen.line(f"{text} {count}")
