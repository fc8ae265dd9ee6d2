"""Values as tables for people; pure: nothing is asked and nothing printed here."""

from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

import bgjobs
from bgjobs.cli.ages import exact, short, since
from bgjobs.cli.faults import one_line
from bgjobs.cli.looks import QueueRow
from bgjobs.cli.states import AnyJob, State, headline, last_error, moment_of
from bgjobs.story import Moment

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

_GAP = (0, 2, 0, 0)
"""Two blanks behind each column but the last."""
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


def table(*columns: str, rows: Iterable[Sequence[str | int]], flexible: str = "") -> Table:
    """Draw rows; the `flexible` column is cut where the terminal ends, the others never."""
    cells = [[_cell(value) for value in row] for row in rows]
    drawn = Table(box=None, pad_edge=False, padding=_GAP, header_style="bold")
    for index, name in enumerate(columns):
        widest = max([len(name), *(row[index].cell_len for row in cells)])
        drawn.add_column(
            name,
            no_wrap=name != flexible,  # else it is not the first that has to give room
            justify="right" if name in _NUMBERS else "left",
            min_width=None if name == flexible else widest,
        )
    for row in cells:
        drawn.add_row(*row)
    return drawn


def _cell(value: str | int) -> Text:
    """Give a value that is cut where it does not fit."""
    text = _whole(value)
    text.no_wrap = True
    text.overflow = "ellipsis"
    return text


def _whole(value: str | int) -> Text:
    """Give a value that is folded where it does not fit."""
    text = f"{value:,}" if isinstance(value, int) else one_line(value)
    return Text(text, style=_COLOURS.get(text, ""))


def facts(pairs: Iterable[tuple[str, str | int]]) -> Table:
    """Draw names and values, one pair a line."""
    drawn = Table(box=None, pad_edge=False, padding=_GAP, show_header=False)
    drawn.add_column(style="bold", no_wrap=True)
    drawn.add_column(overflow="fold")
    for name, value in pairs:
        drawn.add_row(name, _whole(value))
    return drawn


def several(*parts: RenderableType) -> Group:
    """Draw one thing below the other, with an empty line in between."""
    spaced: list[RenderableType] = []
    for part in parts:
        spaced += ["", part] if spaced else [part]
    return Group(*spaced)


def jobs(found: Sequence[tuple[State, AnyJob]], now: datetime) -> Table:
    """Draw a list of jobs; their state only where it differs, to leave room for errors."""
    several_states = len({state for state, _ in found}) > 1
    return table(
        "id",
        "worker",
        *(["state"] if several_states else []),
        "when",
        "error",
        rows=[
            (
                str(job.id),
                job.name,
                *([state] if several_states else []),
                since(moment_of(job), now),
                headline(last_error(job)),
            )
            for state, job in found
        ],
        flexible="error",
    )


def job(found: AnyJob, state: State, now: datetime, zone: tzinfo | None) -> Table:
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


def story(moments: Iterable[Moment], zone: tzinfo | None) -> Table:
    """Draw what happened to a job, in order."""
    return table(
        "at",
        "what",
        "error",
        rows=[(exact(one.at, zone), one.what, headline(one.error)) for one in moments],
        flexible="error",
    )


def trace(error: str) -> Text:
    """Draw the whole text of an error, with its lines."""
    lines = [one_line_kept(line) for line in error.splitlines()]
    return Text("\n".join(lines))


def one_line_kept(line: str) -> str:
    """Give a line with its indentation, and without control characters."""
    body = line.lstrip(" ")
    return " " * (len(line) - len(body)) + one_line(body)


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


def number(count: int, at_most: int) -> str:
    """Write a count."""
    return f"{count:,}+" if count >= at_most else f"{count:,}"


def queues(rows: Iterable[QueueRow], at_most: int) -> Table:
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
) -> Table:
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
                "paused" if one.paused else "running" if one.running else "waiting",
                _next(one, now, zone),
                one.schedule.describe(),
            )
            for one in states
        ],
        flexible="recurs",
    )


def _next(state: bgjobs.ScheduleState, now: datetime, zone: tzinfo | None) -> str:
    if state.paused:
        return "-"
    if state.occurrence is None:
        return "not planned yet"
    at = state.occurrence.at
    return f"{exact(at, zone)} ({since(at, now)})"


def owners(found: Iterable[bgjobs.LiveOwner], now: datetime) -> Table:
    """Draw who runs queues."""
    return table(
        "owner",
        "queue",
        "node",
        "since",
        "lease left",
        "running",
        rows=[
            (
                str(one.id),
                one.name,
                one.node,
                since(one.opened_at, now),
                short(one.lease_left),
                one.running,
            )
            for one in found
        ],
    )


def findings(found: Iterable[bgjobs.Finding]) -> Table:
    """Draw what `doctor` looked at."""
    drawn = Table(box=None, pad_edge=False, padding=_GAP, header_style="bold")
    for name in ("check", "level", "finding"):
        drawn.add_column(name, no_wrap=name != "finding", overflow="fold")
    for one in found:
        drawn.add_row(*map(_whole, (one.check, one.level, one.text)))
    return drawn
