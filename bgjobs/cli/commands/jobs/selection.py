"""Changes to jobs selected by id or in bulk: check, preview, confirm, apply, report."""

import sys
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import NoReturn, TypeAlias, TypeVar, final
from uuid import UUID

import click
from attrs import frozen

import bgjobs
from bgjobs import events
from bgjobs._core.job_tree import MOST_COUNTED, live_descendants, taken_along
from bgjobs.cli.errors import CommandError, ExitCode
from bgjobs.cli.output import as_json, terminal
from bgjobs.cli.session import CommandSession
from bgjobs.cli.states import Count, find
from bgjobs.errors import UnknownJobError, UnreadableJobError

T = TypeVar("T")
Progress: TypeAlias = Callable[[int], None]
"""Called with the number of jobs that are done so far."""
Changed: TypeAlias = Mapping[str, Collection[UUID]]
"""The ids of jobs by what was done to them."""
Trees: TypeAlias = dict[UUID, bgjobs.JobTree]
"""Jobs with their descendants, by the ids of the jobs."""

_REFUSALS_SHOWN = 20
"""Refusals that are shown with their reason; the others are only counted."""
_REFUSALS_KEPT = 1_000
_WORDS = {"asked": "asked the process that runs it to cancel"}
_REASONS: Mapping[bgjobs.State, str] = {
    "waiting": "it is waiting",
    "delayed": "it is delayed",
    "running": "it is running",
    "succeeded": "it has succeeded",
    "failed": "it has failed",
    "cancelled": "it was cancelled",
}


def check_selection(ids: Sequence[str], *, all_of_them: bool, is_narrowed: bool) -> None:
    """Raise `CommandError` unless there are either ids, or --all and what narrows it."""
    if bool(ids) == all_of_them:
        found = "both" if ids else "neither"
        raise CommandError(f"expected ids, or --all; found {found}")
    if ids and is_narrowed:
        raise CommandError("the options that select jobs go with --all, not with ids")


def confirm(question: str, *, yes: bool) -> None:
    """Ask a question unless --yes was given; raise `CommandError` if the answer is no."""
    if yes:
        return
    if not terminal.is_terminal(sys.stdin):
        raise CommandError("there is no terminal to ask on: add --yes")
    if not terminal.confirm(question):
        raise CommandError("nothing was changed", ExitCode.NOT_DONE)


def preview_count(key: str, text: str, count: Count, *, with_json: bool) -> None:
    """Show how many jobs would be changed."""
    if with_json:
        terminal.json({key: count.least, "is_exact": count.exactly is not None})
    else:
        terminal.line(f"{text} {count}")


def preview_ids(
    session: CommandSession,
    ids: Sequence[UUID],
    changeable: Collection[bgjobs.State],
    *,
    with_json: bool,
    with_descendants: bool = False,
) -> None:
    """Show which of these jobs would be changed, which are those in a changeable state."""
    trees: Trees = {}

    async def read(client: bgjobs.Client) -> Sequence[tuple[UUID, bgjobs.State]]:
        states: list[tuple[UUID, bgjobs.State]] = [
            (one, (await find(client, one)).state) for one in ids
        ]
        trees.update(await read_trees(client, ids) if with_descendants else {})
        return states

    states = session.run(read)
    if with_json:
        changed = [str(one) for one, state in states if state in changeable]
        terminal.json({"would_change": changed})
        return
    for one, state in states:
        verb = "would change" if state in changeable else "would refuse"
        terminal.line(f"{verb} {one}: {state}{_and_descendants(trees, one)}")


async def read_trees(client: bgjobs.Client, ids: Collection[UUID]) -> Trees:
    """Return these jobs with their descendants, without those that cannot be read."""
    found: Trees = {}
    for one in ids:
        with suppress(UnknownJobError, UnreadableJobError):
            found[one] = await client.tree(one, most=MOST_COUNTED)
    return found


def _and_descendants(trees: Trees, job_id: UUID) -> str:
    """Return which live descendants are changed with a job; empty if there are none."""
    words = taken_along(trees[job_id]) if job_id in trees else ""
    return f", and {words}" if words else ""


def change_ids(
    session: CommandSession,
    ids: Sequence[UUID],
    change: Callable[[bgjobs.Admin], Awaitable[Changed]],
    reasons: Mapping[bgjobs.State, str] | None = None,
    *,
    with_json: bool,
    with_descendants: bool = False,
) -> NoReturn:
    """Change these jobs, report what was done to each, and end the command.

    Args:
        session: The call of `bgjobs`.
        ids: The jobs to change.
        change: Makes the changes, and returns the ids that were changed.
        reasons: Why a job in a state is refused, where the state alone does not explain it.
        with_json: Whether the report is JSON.
        with_descendants: Whether live descendants of the jobs are changed with them.
    """
    refusals = Refusals()

    async def work(client: bgjobs.Client) -> _Report:
        trees = await read_trees(client, ids) if with_descendants else None
        changed = await change(client.admin)
        handled = {one for done in changed.values() for one in done}
        why: Mapping[bgjobs.State, str] = {**_REASONS, **(reasons or {})}
        refused = {
            one: refusals.reasons.get(one) or await _reason(client, one, why)
            for one in ids
            if one not in handled
        }
        return _Report(changed, refused, ids, trees)

    session.run(work, refusals).end(with_json=with_json)


async def _reason(
    client: bgjobs.Client, job_id: UUID, reasons: Mapping[bgjobs.State, str]
) -> str:
    try:
        job = await find(client, job_id)
    except UnknownJobError:
        return ""
    if isinstance(job, bgjobs.UnreadableJob):
        return f"its row cannot be read: {job.reason}"
    if job.occurrence is not None and job.state in ("waiting", "delayed"):
        name = job.occurrence.recurrence.name
        return f"schedule {name} has planned it: pause or trigger the schedule instead"
    return reasons[job.state]


@final
@frozen
class _Report:
    changed: Changed
    refused: Mapping[UUID, str]
    """The reasons; empty for a job that does not exist."""
    selected: Collection[UUID]
    """The jobs to change. What was changed with them is not reported one by one."""
    trees: Trees | None
    """The jobs with the descendants that they had before; None if they do not matter."""

    def end(self, *, with_json: bool) -> NoReturn:
        """Write what was done to each job, and end the command."""
        if with_json:
            terminal.json(self._as_json())
        else:
            for name, ids in self.changed.items():
                for one in (one for one in ids if one in self.selected):
                    more = _and_descendants(self.trees or {}, one)
                    terminal.line(f"{_WORDS.get(name, name)} {one}{more}")
        for one, why in self.refused.items():
            terminal.note(f"refused {one}: {why or 'there is no such job'}")
        raise click.exceptions.Exit(self._code)

    def _as_json(self) -> dict[str, as_json.Json]:
        groups = {**self.changed, "refused": self.refused}
        found: dict[str, as_json.Json] = {
            name: [*sorted(map(str, ids))] for name, ids in groups.items()
        }
        if self.trees is not None:
            numbers = {str(one): live_descendants(tree) for one, tree in self.trees.items()}
            found["descendants"] = {one: number for one, number in numbers.items() if number}
        return found

    @property
    def _code(self) -> ExitCode:
        if not self.refused:
            return ExitCode.DONE
        is_any_changed = any(self.changed.values())
        is_any_known = any(self.refused.values())
        return ExitCode.NOT_DONE if is_any_changed or is_any_known else ExitCode.UNKNOWN_JOB


def change_many(
    session: CommandSession,
    title: str,
    done_word: str,
    work: Callable[[bgjobs.Client, Progress], Awaitable[int]],
    count: Count | None,
    *,
    with_json: bool,
) -> None:
    """Change many jobs behind a progress bar, and report the number and the refusals.

    Args:
        session: The call of `bgjobs`.
        title: The title of the progress bar.
        done_word: What was done to the jobs, for the report.
        work: Makes the changes, and returns how many jobs were changed.
        count: How many jobs there are, if they were counted; nothing is done if there are none.
        with_json: Whether the report is JSON.
    """
    refusals = Refusals()
    if count is not None and not count.least:
        done = 0
    else:
        total = None if count is None else count.exactly
        done = run_in_bulk(session, title, total, work, refusals)
    if with_json:
        terminal.json({done_word: done, "refused": [str(one) for one in refusals.reasons]})
    else:
        terminal.line(f"{done_word} {done:,}")
    refusals.end()


def run_in_bulk(
    session: CommandSession,
    title: str,
    total: int | None,
    work: Callable[[bgjobs.Client, Progress], Awaitable[T]],
    *listeners: bgjobs.Listener,
    rest: str = "the batch under way may be done, the rest is unchanged",
) -> T:
    """Run long work behind a progress bar, and return its result.

    Raises:
        CommandError: After Ctrl-C, with the number of jobs that were done and `rest`.
    """
    so_far = 0
    try:
        with terminal.progress_bar(title, total) as show:

            def progress(done: int) -> None:
                nonlocal so_far
                so_far = done
                show(done)

            return session.run(lambda client: work(client, progress), *listeners)
    except KeyboardInterrupt:
        raise CommandError(
            f"interrupted after {so_far:,}; {rest}", ExitCode.INTERRUPTED
        ) from None


@final
class Refusals:
    """A listener that collects the changes that the database refused."""

    def __init__(self) -> None:
        self.reasons: dict[UUID, str] = {}
        """The first thousand refusals."""
        self.count: int = 0

    def __call__(self, event: bgjobs.Event) -> None:
        """Collect a refusal."""
        if isinstance(event, events.ChangeRefused):
            self.count += 1
            if len(self.reasons) < _REFUSALS_KEPT:
                self.reasons[event.job_id] = str(event.error)

    def end(self) -> None:
        """Write the refusals, and end the command as done in part, if there are any."""
        texts = [f"refused {one}: {why}" for one, why in self.reasons.items()]
        end_if_refused(texts, self.count)


def end_if_refused(texts: Sequence[str], count: int) -> None:
    """Write the first of `count` refusals, and end the command, if there are any."""
    if not count:
        return
    for text in texts[:_REFUSALS_SHOWN]:
        terminal.note(text)
    if count > _REFUSALS_SHOWN:
        terminal.note(f"refused {count - _REFUSALS_SHOWN:,} more")
    raise click.exceptions.Exit(ExitCode.NOT_DONE)
