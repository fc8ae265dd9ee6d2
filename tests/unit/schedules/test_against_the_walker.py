"""What a builder makes occurs when somebody who watches the clock would say so."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bgjobs.errors import ScheduleValidationError
from bgjobs.schedules import Schedule, every
from tests.unit.schedules.clocks import ZONES, changes, some_instant, zone_named
from tests.unit.schedules.listing import built as at_any_time
from tests.unit.schedules.oracle import SECOND, Meaning, shown, walk, walk_any
from tests.unit.schedules.words import Words, random_words

RANDOMS = st.randoms(use_true_random=False)
NAMES = st.sampled_from(ZONES)
DAY = timedelta(days=1)
OFTEN = settings(max_examples=100, deadline=None)


def built(words: Words) -> Schedule | None:
    """Build, or check that there is nothing to be built."""
    try:
        return at_any_time(words.builder)
    except ScheduleValidationError as error:
        refused = error
    assert [fault.kind for fault in refused.faults] == ["impossible"]
    if "no year has such a day" in str(refused):
        # In forty years each month begins with each weekday, leap years included.
        assert not any(words.day(date(2000, 1, 1) + n * DAY) for n in range(40 * 366))
    else:
        start = datetime(2030, 1, 1, tzinfo=UTC)
        assert not any(meaning.fixed for meaning in words.meanings())
        assert walk_any(words.meanings(), start, start + 3 * 366 * DAY) is None
    return None


def check(schedule: Schedule, meanings: Sequence[Meaning], after: datetime) -> datetime:
    """Check the next occurrence; gives it."""
    found = schedule.next_after(after)
    assert found > after
    assert found.tzinfo is UTC
    assert found == walk_any(meanings, after, found)
    return found


@OFTEN
@given(RANDOMS, NAMES)
def test_a_built_schedule_occurs_when_the_clock_shows_what_was_said(
    random: Random, zone: str
) -> None:
    words = random_words(random, zone)
    schedule = built(words)
    after = some_instant(random, zone)
    if schedule is not None:
        for _ in range(3):
            after = check(schedule, words.meanings(), after)


@settings(max_examples=60, deadline=None)
@given(RANDOMS, st.lists(NAMES, min_size=2, max_size=3))
def test_a_union_occurs_whenever_one_of_its_members_does(
    random: Random, zones: list[str]
) -> None:
    several = [random_words(random, zone) for zone in zones]
    schedules = [built(words) for words in several]
    assume(None not in schedules)
    first, second, *others = [one for one in schedules if one is not None]
    united = first | second
    for other in others:
        united |= other
    meanings = [meaning for words in several for meaning in words.meanings()]
    after = some_instant(random, zones[0])
    for _ in range(3):
        after = check(united, meanings, after)


@settings(max_examples=60, deadline=None)
@given(RANDOMS, NAMES, st.integers(1, 10**7))
def test_an_interval_in_a_union_counts_from_the_instant(
    random: Random, zone: str, seconds: int
) -> None:
    words = random_words(random, zone)
    schedule = built(words)
    assume(schedule is not None)
    assert schedule is not None
    after = some_instant(random, zone)
    end = after + timedelta(seconds=seconds)
    earlier = walk_any(words.meanings(), after, end)
    assert (schedule | every(seconds=seconds)).next_after(after) == (earlier or end)


@settings(max_examples=60, deadline=None)
@given(RANDOMS, NAMES)
def test_occurrences_follow_each_other_without_gaps_or_repeats(
    random: Random, zone: str
) -> None:
    words = random_words(random, zone)
    schedule = built(words)
    after = some_instant(random, zone)
    until = after + timedelta(hours=random.choice((1, 30)))
    if schedule is not None:
        found = after
        for one in schedule.occurrences(after, until):
            assert one == walk_any(words.meanings(), found, until)
            found = one
            if random.random() < 0.05:
                return
        assert walk_any(words.meanings(), found, until) is None


@pytest.mark.parametrize("zone", ["Australia/Lord_Howe", "America/St_Johns", "Africa/Cairo"])
@pytest.mark.parametrize("seed", range(4))
def test_the_walker_leaves_out_nothing_that_matches(zone: str, seed: int) -> None:
    random = Random(f"{seed} {zone}")
    meaning = random_words(random, zone).meanings()[0]
    start = random.choice(changes(zone)) - timedelta(hours=random.randint(0, 3))
    end = start + timedelta(hours=3)
    assert walk(meaning, start, end) == _plainly(meaning, start, end)


def _plainly(meaning: Meaning, after: datetime, until: datetime) -> datetime | None:
    """Do the same for every second, in the fewest words."""
    zone = meaning.zone
    reached = max(shown(after - n * SECOND, zone) for n in range(5 * 3600))
    while after < until:
        after += SECOND
        wall = shown(after, zone)
        missed = (reached + n * SECOND for n in range(1, (wall - reached) // SECOND + 1))
        if any(map(meaning.matches, missed if meaning.fixed else [wall])):
            return after
        reached = max(reached, wall)
    return None


def test_zones_include_some_that_are_never_changed() -> None:
    assert {name for name in ZONES if not changes(name)} >= {"UTC", "Asia/Kolkata"}
    assert len(changes("America/New_York")) == 76
    assert zone_named("UTC") is UTC


@pytest.mark.parametrize("zone", ZONES)
def test_no_zone_sets_its_clocks_back_and_forward_within_a_day(zone: str) -> None:
    # Calendar.next_after and the walker count on it.
    assert all(later - earlier > DAY for earlier, later in pairwise(changes(zone)))
