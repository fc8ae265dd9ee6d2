"""One seed, from its rows to what is wrong."""

import traceback
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import final

import anyio
from attrs import frozen

from tests.reliability.hostile_rows.application import WORKERS, Heard
from tests.reliability.hostile_rows.commands import Called, run_commands
from tests.reliability.hostile_rows.places import ENDED, Place
from tests.reliability.hostile_rows.play import Played, clear_up, play

LARGEST_GROWTH = 128 * 2**20
"""Bytes by which the process may grow while rows are written, of which 20 are up to 4 MB."""
ZONES = ("America/New_York", "Asia/Tokyo", "UTC")
"""Of operators: in some of them the first or the last instant lies beyond the calendar."""
LOOPS = ("trio", "asyncio")
MOST_ERRORS = 20
"""Errors that may be told, whatever the number of rows."""


@final
@frozen
class Verdict:
    """What is wrong with one run, and what it was."""

    place: Place
    played: Played
    rows: Mapping[str, int]
    """How many were found at the end, by table."""
    commands: int
    problems: list[str]

    def __str__(self) -> str:
        """Return one line."""
        place, played = self.place, self.played
        events = played.heard.counts
        told = {name: events[name] for name in sorted(events) if not name.startswith("Store")}
        return (
            f"{place.taken.total()} rows taken {dict(place.taken)}, {place.refused} refused; "
            f"{len(played.good)} good jobs done; found {dict(self.rows)}; "
            f"{self.commands} commands; grown by {played.growth / 2**20:.1f} MB; heard {told}"
        )


def verdict(place: Place, seed: int, rows: int) -> Verdict:
    """Play one seed and return what is wrong."""
    played, loop = Played(), LOOPS[seed % len(LOOPS)]
    problems: list[str] = []
    with _noted("play", problems):
        anyio.run(play, place, seed, rows, played, backend=loop)
    called = run_commands(place, ZONES[seed % len(ZONES)])
    with _noted("clear_up", problems):
        anyio.run(clear_up, place, played, backend=loop)
    found = {table: len(place.keys(table)) for table in (*ENDED, "jobs_unreadable")}
    deleted = {place.key_of(text) for one in called for text in one.deleted}
    problems += [*_of_events(played.heard), *_of_events(played.later)]
    problems += [
        *_of_good_work(place, played, deleted),
        *_of_rows(place, deleted),
        *_of_calls(called),
    ]
    if played.growth > LARGEST_GROWTH:
        problems.append(f"memory: grown by {played.growth:,} bytes")
    return Verdict(place, played, found, len(called), problems)


@contextmanager
def _noted(step: str, problems: list[str]) -> Generator[None]:
    """Note that the application has ended, or did not come to an end of its work in time."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever ends an application is what is wrong
        problems.append(f"{step}: {''.join(traceback.format_exception(error))[-3000:]}")


def _of_events(heard: Heard) -> Iterator[str]:
    for name, most in (("ChildCrashed", 0), ("QueueError", MOST_ERRORS), ("OwnerDied", 0)):
        if heard.counts[name] > most:
            yield f"events: {heard.counts[name]} times {name}: {heard.errors.most_common(4)}"
    if heard.counts["StoreFailed"] > MOST_ERRORS + heard.counts["JobUnreadable"]:
        number, texts = heard.counts["StoreFailed"], heard.errors.most_common(4)
        yield f"events: {number} calls failed: {texts}"


def _of_good_work(place: Place, played: Played, deleted: set[str]) -> Iterator[str]:
    good = {place.key_of(str(one)) for one in played.good}
    if missing := good - deleted - place.keys("jobs_succeeded"):
        yield f"good work: {len(missing)} of {len(good)} jobs have not succeeded"


def _of_rows(place: Place, deleted: set[str]) -> Iterator[str]:
    """Find jobs of the application's workers that have not ended, or are gone."""
    if left := place.due(WORKERS):
        yield f"rows: {len(left)} are due and do not end, such as {sorted(left)[:3]}"
    found = set[str]().union(*(place.keys(table) for table in ENDED))
    found |= place.keys("jobs_unreadable", "job_id")
    if lost := place.jobs - place.passing - deleted - found:
        yield f"rows: {len(lost)} of {len(place.jobs)} are lost, such as {sorted(lost)[:3]}"


def _of_calls(called: list[Called]) -> Iterator[str]:
    for one in called:
        if one.problem:
            yield f"command {' '.join(one.arguments)}: {one.problem}"
