"""Values as tables for people; pure: nothing is asked and nothing printed here."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from uuid import UUID

from rich.console import Group, RenderableType
from rich.text import Text

import bgjobs
from bgjobs.cli.output.formats import exact, short, since
from bgjobs.cli.output.layout import Column, Facts, Grid
from bgjobs.cli.snapshot import QueueRow
from bgjobs.cli.states import AnyJob, State, headline, last_error, moment_of
from bgjobs.story import Moment
from bgjobs.visible import visible, visible_lines

_COLOURS = {
    "running": "cyan",
    "failed": "red",
    "succeeded": "green",
    "delayed": "yellow",
    "paused": "yellow",
    "ok": "green",
    "warning": "yellow",
    "problem": "red",
}

_NUMBERS = (
    "attempts",
    "owners",
    "waiting",
    "delayed",
    "running",
    "succeeded",
    "failed",
    "succeeded/s",
    "failed/s",
)
_LONGEST = 1_000
"""Characters of one value that are shown."""


def table(
    *columns: str, rows: Iterable[Sequence[str | int]], cut: str = "", folded: str = ""
) -> Grid:
    """Draw rows; of the columns, one may be `cut` or `folded` where the terminal ends."""
    drawn = [
        Column(name, is_number=name in _NUMBERS, is_cut=name == cut, is_folded=name == folded)
        for name in columns
    ]
    return Grid(drawn, [[*map(_whole, row)] for row in rows])


def _whole(value: str | int) -> Text:
    text = f"{value:,}" if isinstance(value, int) else shown(value)
    return Text(text, style=_COLOURS.get(text, ""))


def shown(value: str) -> str:
    """Return a value as one line of characters that can be seen, and not endless."""
    cut = f"{value[:_LONGEST]}..." if len(value) > _LONGEST else value
    return visible(cut)


def facts(pairs: Iterable[tuple[str, str | int]]) -> Facts:
    """Draw names and values, one pair a line."""
    return Facts([(Text(shown(name), style="bold"), _whole(value)) for name, value in pairs])


def several(*parts: RenderableType) -> Group:
    """Draw one thing below the other, with an empty line in between."""
    spaced: list[RenderableType] = []
    for part in parts:
        spaced += ["", part] if spaced else [part]
    return Group(*spaced)


def jobs(
    found: Sequence[tuple[State, AnyJob]], now: datetime, ids: Mapping[UUID, str] | None = None
) -> Grid:
    """Draw a list of jobs; their state only where it differs, to leave room for errors.

    `ids` has what is shown of each id; those that it has not are shown whole.
    """
    known = ids or {}
    several_states = len({state for state, _ in found}) > 1
    return table(
        "id",
        "worker",
        *(["state"] if several_states else []),
        "when",
        "error",
        rows=[
            (
                known.get(job.id, str(job.id)),
                job.name,
                *([state] if several_states else []),
                since(moment_of(job), now),
                headline(last_error(job)),
            )
            for state, job in found
        ],
        cut="error",
    )


def job(found: AnyJob, state: State, now: datetime, zone: tzinfo | None) -> Facts:
    """Draw the facts of one job."""
    when = moment_of(found)
    pairs: list[tuple[str, str | int]] = [
        ("id", str(found.id)),
        ("worker", found.name),
        ("state", state),
        ("since" if when <= now else "due", f"{exact(when, zone)} ({since(when, now)})"),
        ("created", f"{exact(found.created_at, zone)} ({since(found.created_at, now)})"),
        ("attempts", found.attempts),
        ("priority", found.priority),
    ]
    pairs += [("crashes", found.crashes)] if found.crashes else []
    pairs += [("interruptions", found.interruptions)] if found.interruptions else []
    pairs += [("unique key", found.unique_key)] if found.unique_key else []
    pairs += [("schedule", found.occurrence.plan.name)] if found.occurrence else []
    pairs += [("owner", str(found.reserved_by))] if state == "running" else []
    pairs += [(f"metadata {name}", value) for name, value in sorted(found.metadata.items())]
    return facts(pairs)


def unreadable(
    found: Iterable[bgjobs.UnreadableJob], now: datetime, ids: Mapping[UUID, str] | None = None
) -> Grid:
    """Draw rows that are no jobs; `ids` as for `jobs`."""
    known = ids or {}
    return table(
        "id",
        "worker",
        "table",
        "set apart",
        "reason",
        rows=[
            (
                known.get(one.id, str(one.id)),
                column(one.columns.get("name")),
                one.table,
                "-" if one.found_at is None else since(one.found_at, now),
                one.reason,
            )
            for one in found
        ],
        folded="reason",
    )


def unreadable_job(found: bgjobs.UnreadableJob, now: datetime, zone: tzinfo | None) -> Facts:
    """Draw all that is known of a row that is no job, but for its arguments."""
    at = found.found_at
    return facts(
        [
            ("id", str(found.id)),
            ("state", "unreadable"),
            ("reason", found.reason),
            ("table", found.table),
            ("set apart", "not yet" if at is None else f"{exact(at, zone)} ({since(at, now)})"),
            *(
                (f"column {name}", column(value))
                for name, value in found.columns.items()
                if name != "payload"
            ),
        ]
    )


def column(value: str | int | None) -> str:
    """Return a column of a row as it is stored; what is no text is told apart by its look."""
    return "null" if value is None else str(value) if isinstance(value, int) else value


def story(moments: Iterable[Moment], zone: tzinfo | None) -> Grid:
    """Draw what happened to a job, in order."""
    return table(
        "at",
        "what",
        "error",
        rows=[(exact(one.at, zone), one.what, headline(one.error)) for one in moments],
        cut="error",
    )


def trace(error: str) -> Text:
    """Draw the whole text of an error, with its lines."""
    return Text(visible_lines(error))


def counts(found: bgjobs.Counts, at_most: int) -> list[tuple[str, str]]:
    """Name how many jobs there are; a number that reaches `at_most` means at least so many."""
    pairs = [
        ("waiting", found.due),
        ("delayed", found.delayed),
        ("running", found.reserved),
        ("succeeded", found.succeeded),
        ("failed", found.failed),
    ]
    return [(name, number(count, at_most)) for name, count in pairs]


def counts_text(found: bgjobs.Counts, at_most: int) -> str:
    """Write all counts in one line; rows that are no jobs only if there are any."""
    pairs = counts(found, at_most)
    if found.unreadable:
        pairs.append(("unreadable", number(found.unreadable, at_most)))
    return ", ".join(f"{text} {name}" for name, text in pairs)


def number(count: int, at_most: int) -> str:
    """Write a count."""
    return f"{count:,}+" if count >= at_most else f"{count:,}"


def queues(rows: Iterable[QueueRow], at_most: int) -> Grid:
    """Draw the queues of an application."""
    return table(
        "queue",
        "state",
        "owners",
        "waiting",
        "delayed",
        "running",
        "succeeded",
        "failed",
        rows=[
            (
                row.name,
                state_of_queue(row),
                row.owners,
                *(text for _, text in counts(row.counts, at_most)),
            )
            for row in rows
        ],
    )


def state_of_queue(row: QueueRow) -> str:
    """Say whether it starts jobs."""
    return "paused" if row.paused else "open"


def schedules(
    states: Iterable[bgjobs.ScheduleState], now: datetime, zone: tzinfo | None
) -> Grid:
    """Draw the scheduled jobs of an application."""
    return table(
        "schedule",
        "worker",
        "state",
        "next",
        "recurs",
        rows=[
            (
                one.name,
                one.worker,
                _state_of_schedule(one),
                _next(one, now, zone),
                "?" if one.schedule is None else one.schedule.describe(),
            )
            for one in states
        ],
        folded="recurs",
    )


def _state_of_schedule(state: bgjobs.ScheduleState) -> str:
    now = "paused" if state.paused else "running" if state.running else "waiting"
    return now if state.is_configured else f"{now}, not configured here"


def _next(state: bgjobs.ScheduleState, now: datetime, zone: tzinfo | None) -> str:
    if state.paused:
        return "-"
    if state.occurrence is None:
        return "not planned yet"
    at = state.occurrence.at
    return f"{exact(at, zone)} ({since(at, now)})"


def owners(
    found: Iterable[bgjobs.LiveOwner], now: datetime, ids: Mapping[UUID, str] | None = None
) -> Grid:
    """Draw who runs queues; `ids` as for `jobs`."""
    known = ids or {}
    return table(
        "owner",
        "queue",
        "node",
        "since",
        "lease left",
        "running",
        rows=[
            (
                known.get(one.id, str(one.id)),
                one.name,
                one.node,
                since(one.opened_at, now),
                short(one.lease_left),
                one.running,
            )
            for one in found
        ],
    )


def findings(found: Iterable[bgjobs.Finding]) -> Grid:
    """Draw what `doctor` looked at."""
    rows = [(one.check, one.level, one.text) for one in found]
    return table("check", "level", "finding", rows=rows, folded="finding")
