"""Schedules occur when cronsim and a walk through real time say that they occur.

Every known difference from cronsim is listed here. Those of `Reason` come from changes of the
clocks, and the walker of `oracle` decides each case; in zones without changes nothing differs.
Texts that only one of the two accepts follow the examples.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import Enum
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim, CronSimError
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bgjobs.errors import ScheduleValidationError
from bgjobs.schedules import Schedule, every, from_cron
from tests.unit.schedules.generators import Words, cron_text, is_fixed, meaning_of, random_words
from tests.unit.schedules.helpers import (
    OTHERS,
    UNUSUAL,
    ZONES,
    changes,
    some_instant,
    zone_named,
)
from tests.unit.schedules.helpers import built as at_any_time
from tests.unit.schedules.oracle import SECOND, Meaning, shown, walk, walk_any

TEXTS_PER_ZONE = 40
STEPS = 3


class Reason(Enum):
    """Why cronsim returns another instant."""

    ENDLESS = "cronsim adds hours without end where clocks are set back over midnight"
    ELAPSED = "cronsim treats hour and minute of six fields as elapsed time, bgjobs as fixed"
    PAST = "in the second pass of an overlap cronsim returns an instant of the past"
    UNREAL = "cronsim starts at midnight even where that is missing, and returns it"
    ASTRAY = "cronsim adds hours across a change, and misses the time that is due"


class EndlessError(Exception):
    """A search of cronsim does not end."""


class Sim(CronSim):
    """cronsim with a limit to its search; fifty years have 18,300 days."""

    searched_days = 0

    def advance_day(self) -> bool:
        self.searched_days += 1
        if self.searched_days > 100_000:
            raise EndlessError
        return super().advance_day()


def next_of_cronsim(text: str, zone: tzinfo, after: datetime) -> datetime | None:
    try:
        return next(Sim(text, after.astimezone(zone)), None)
    except CronSimError:  # it detects some days that do not exist
        return None


def reason_for(
    text: str, zone: str, after: datetime, ours: datetime, theirs: datetime
) -> Reason:
    found = theirs.astimezone(UTC)
    if len(text.split()) == 6 and is_fixed(text):
        return Reason.ELAPSED
    if found <= after:
        return Reason.PAST
    if is_fixed(text):
        raise AssertionError(f"no reason for {text!r} in {zone} after {after}: {theirs}")
    if theirs != found.astimezone(theirs.tzinfo):
        return Reason.UNREAL
    earliest, latest = sorted((ours, found))
    # cronsim starts at the beginning of the hour, so a change shortly before counts too.
    start, day = after - timedelta(hours=1), timedelta(hours=25)
    assert any(start < one <= latest and earliest < one + day for one in changes(zone)), text
    return Reason.ASTRAY


def compare(text: str, name: str, after: datetime) -> tuple[datetime, Reason | None] | None:
    """Return the next occurrence, and the reason if cronsim differs; None if refused."""
    try:
        ours = from_cron(text, name).next_after(after)
    except ScheduleValidationError:
        assert next_of_cronsim(text, zone_named(name), after) is None, text
        return None
    assert ours > after
    assert ours.tzinfo is UTC
    try:
        theirs = next_of_cronsim(text, zone_named(name), after)
    except EndlessError:
        assert ours == walk(meaning_of(text, name), after, ours)
        return ours, Reason.ENDLESS
    assert theirs is not None, text
    if ours == theirs.astimezone(UTC):
        return ours, None
    expected = walk(meaning_of(text, name), after, max(ours, theirs.astimezone(UTC)))
    assert ours == expected, (text, name, after)
    return ours, reason_for(text, name, after, ours, theirs)


def compare_some(name: str, seed: str, texts: int) -> list[Reason]:
    """Compare the occurrences of random texts; return the reasons of those that differ."""
    random = Random(f"{seed} {name}")
    reasons = []
    for _ in range(texts):
        text, after = cron_text(random), some_instant(random, name)
        for _ in range(STEPS):
            compared = compare(text, name, after)
            if compared is None:
                break
            after, reason = compared
            if reason is not None:
                reasons.append(reason)
    return reasons


@pytest.mark.parametrize("name", [*UNUSUAL, *OTHERS])
def test_the_next_occurrences_are_those_of_cronsim_or_differ_for_a_reason(name: str) -> None:
    reasons = compare_some(name, "one seed", TEXTS_PER_ZONE)
    assert len(reasons) <= TEXTS_PER_ZONE // 4
    if not changes(name):
        assert reasons == []


def test_nothing_differs_in_utc() -> None:
    assert compare_some("UTC", "utc", 400) == []


# One example of each reason, with the right occurrence.

EXAMPLES = [
    # The clock shows 23:01 to 00:01 twice.
    (
        *(Reason.ENDLESS, "12-49 */16,5-17 * * *", "America/St_Johns"),
        *("2009-11-01T02:30:08+00:00", "2009-11-01T00:12:00-03:30", None),
    ),
    # 01:30 occurs twice, and the first one has passed.
    (
        *(Reason.ELAPSED, "0 30 1 * * *", "America/New_York"),
        *(
            "2026-11-01T05:30:00+00:00",
            "2026-11-02T01:30:00-05:00",
            "2026-11-01T01:30:00-05:00",
        ),
    ),
    # The clock shows 01:20 for the second time.
    (
        *(Reason.PAST, "30 1 * * *", "America/New_York"),
        *(
            "2026-11-01T06:20:00+00:00",
            "2026-11-02T01:30:00-05:00",
            "2026-11-01T01:30:00-04:00",
        ),
    ),
    # Midnight is missing: 01:00 follows 23:59.
    (
        *(Reason.UNREAL, "*/15 0,9 * * 0", "America/Santiago"),
        *(
            "2035-09-02T03:21:00+00:00",
            "2035-09-02T09:00:00-03:00",
            "2035-09-02T00:00:00-04:00",
        ),
    ),
    # 02:30 follows 01:59.
    (
        *(Reason.ASTRAY, "* 15 * * *", "Australia/Lord_Howe"),
        *(
            "2026-10-03T15:00:00+00:00",
            "2026-10-04T15:00:00+11:00",
            "2026-10-04T15:30:00+11:00",
        ),
    ),
]


@pytest.mark.parametrize(("reason", "text", "zone", "after", "right", "cronsim"), EXAMPLES)
def test_each_reason_has_an_example_that_still_holds(
    reason: Reason, text: str, zone: str, after: str, right: str, cronsim: str | None
) -> None:
    start = datetime.fromisoformat(after)
    assert compare(text, zone, start) == (datetime.fromisoformat(right), reason)
    if cronsim is not None:
        theirs = next_of_cronsim(text, ZoneInfo(zone), start)
        assert theirs is not None
        assert theirs.isoformat() == cronsim


# Texts that only one of the two accepts, or that they read differently.


def test_a_range_of_one_number_with_a_step_is_that_number_as_in_cron_itself() -> None:
    # cronsim reads 5-5/2 as 5/2, so as 5-59/2.
    assert from_cron("5-5/2 * * * *") == from_cron("5 * * * *")
    assert CronSim("5-5/2 * * * *", datetime(2026, 1, 1, tzinfo=UTC)).minutes != {5}


@pytest.mark.parametrize("text", ["@daily", "@Hourly", " @WEEKLY "])
def test_names_of_usual_texts_are_read_by_us_alone(text: str) -> None:
    from_cron(text)
    with pytest.raises(CronSimError):
        CronSim(text, datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("text", ["0 0 L/2 * *", "0 0 LW/5 * *", "0 0 * * 05L", "0 0 * * 1#02"])
def test_what_has_no_sense_or_needless_zeros_is_read_by_cronsim_alone(text: str) -> None:
    CronSim(text, datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(ScheduleValidationError):
        from_cron(text)


def test_a_day_that_no_year_has_is_refused_where_cronsim_searches_fifty_years() -> None:
    text = "0 0 */18 * THU#4"
    assert next(CronSim(text, datetime(2026, 1, 1, tzinfo=UTC)), None) is None
    with pytest.raises(ScheduleValidationError, match="Schedule never occurs"):
        from_cron(text)


RANDOMS = st.randoms(use_true_random=False)
NAMES = st.sampled_from(ZONES)
DAY = timedelta(days=1)
OFTEN = settings(max_examples=100, deadline=None)


def built(words: Words) -> Schedule | None:
    """Return the schedule; None if it is refused, after a check that it never occurs."""
    try:
        return at_any_time(words.builder)
    except ScheduleValidationError as error:
        refused = error
    assert [fault.kind for fault in refused.problems] == ["impossible"]
    if "no year has such a day" in str(refused):
        # In forty years each month begins on each weekday, leap years included.
        assert not any(words.day(date(2000, 1, 1) + n * DAY) for n in range(40 * 366))
    else:
        start = datetime(2030, 1, 1, tzinfo=UTC)
        assert not any(meaning.fixed for meaning in words.meanings())
        assert walk_any(words.meanings(), start, start + 3 * 366 * DAY) is None
    return None


def check(schedule: Schedule, meanings: Sequence[Meaning], after: datetime) -> datetime:
    """Return the next occurrence, after a comparison with the walker."""
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
    """Do the same for every second, as simply as possible."""
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
    # Calendar.next_after and the walker rely on it.
    assert all(later - earlier > DAY for earlier, later in pairwise(changes(zone)))
