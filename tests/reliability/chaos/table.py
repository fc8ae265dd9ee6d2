"""The outcomes of all phases, as text."""

from collections.abc import Iterator, Sequence

from tests.reliability.chaos.verdicts import Outcome

_SHOWN = 30
"""Findings of one phase that are written out."""
_ERRORS = 10_000
"""Characters of its errors."""
_HEAD = ("store", "fault", "jobs", "strikes", "lost", "doubled", "wrong", "refused", "stall")


def lines(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Write one row for each phase, and then all that is wrong."""
    rows = [_HEAD, *(_cells(one) for one in outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
    for one in outcomes:
        yield from _findings(one)


def told(outcome: Outcome) -> str:
    """Tell what was done in a phase, and what became of its jobs."""
    return ", ".join(
        f"{what} {count}"
        for counts in (outcome.strikes, outcome.ends)
        for what, count in sorted(counts.items())
    )


def _cells(one: Outcome) -> Sequence[str]:
    return (
        one.store,
        one.phase,
        str(one.jobs),
        str(sum(one.strikes.values())),
        str(one.count("lost")),
        str(one.count("doubled")),
        str(one.count("wrong")),
        str(one.refused),
        f"{one.stall:.1f} s",
    )


def _findings(one: Outcome) -> Iterator[str]:
    for found in one.found[:_SHOWN]:
        yield f"{one.store}, {one.phase}: {found.kind.upper()}: {found.text}"
    more = len(one.found) - _SHOWN
    if more > 0:
        yield f"{one.store}, {one.phase}: and {more} more"
    if one.found and one.errors:
        yield f"{one.store}, {one.phase}, stderr: {one.errors[-_ERRORS:]}"
