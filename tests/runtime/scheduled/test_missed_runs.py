"""Missed occurrences: coalesced, made up with `catch_up`, or skipped."""

from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs.events import (
    OccurrencesMissed,
)
from bgjobs.testing import VirtualClock
from tests.runtime.conftest import Harness, virtual_time
from tests.runtime.scheduled.conftest import (
    HOUR,
    MINUTE,
    START,
    Diary,
    application,
    live_for,
    scheduled,
)

pytestmark = [pytest.mark.anyio, virtual_time]


async def test_a_long_run_coalesces_the_runs_it_has_missed(
    virtual_app: Harness, clock: VirtualClock
) -> None:
    """It runs every minute and takes 90 seconds: after 13:30 the next run is at 13:32."""
    clock.start = datetime(2030, 1, 1, 13, 29, tzinfo=UTC)
    slow = Diary(clock, seconds=90)
    await live_for(application(virtual_app, scheduled(slow)), 5 * MINUTE)
    half_past_one = datetime(2030, 1, 1, 13, 30, tzinfo=UTC)
    served = [START + timedelta(seconds=at) for _, at, _ in slow.entries]
    assert served == [half_past_one, half_past_one + timedelta(minutes=2)]
    assert virtual_app.recorder.of(OccurrencesMissed)[0] == OccurrencesMissed(
        "diary", half_past_one + timedelta(minutes=1), 1
    )


async def missed_for(app: Harness, diary: Diary, seconds: float, **settings: Any) -> None:
    """Plan it, stop for `seconds`, and then run the application for 95 seconds."""
    config = application(app, scheduled(diary, **settings))
    await live_for(config, 1)
    await anyio.sleep(seconds - 1)
    await live_for(config, 95)


async def test_after_a_downtime_one_late_run_replaces_all_missed_ones(
    virtual_app: Harness, diary: Diary
) -> None:
    await missed_for(virtual_app, diary, 10 * MINUTE + 30)
    assert diary.entries == [(630, 60, None), (660, 660, 60), (720, 720, 660)]
    (missed,) = virtual_app.recorder.of(OccurrencesMissed)
    assert missed == OccurrencesMissed("diary", START + timedelta(minutes=2), 9)


async def test_with_catch_up_each_missed_occurrence_is_run_in_order(
    virtual_app: Harness, diary: Diary
) -> None:
    await missed_for(virtual_app, diary, 5 * MINUTE + 30, catch_up=10)
    assert [at for _, at, _ in diary.entries] == [60, 120, 180, 240, 300, 360, 420]
    assert diary.ran == [330] * 5 + [360, 420]
    assert virtual_app.recorder.of(OccurrencesMissed) == []


async def test_catch_up_is_limited(virtual_app: Harness, diary: Diary) -> None:
    await missed_for(virtual_app, diary, 10 * MINUTE + 30, catch_up=2)
    assert [at for _, at, _ in diary.entries] == [60, 120, 180, 660, 720]
    (missed,) = virtual_app.recorder.of(OccurrencesMissed)
    assert missed == OccurrencesMissed("diary", START + timedelta(minutes=4), 7)


async def test_without_catch_up_nothing_is_run_late(virtual_app: Harness, diary: Diary) -> None:
    await missed_for(virtual_app, diary, 5 * MINUTE + 30, catch_up="never")
    assert diary.entries == [(360, 360, None), (420, 420, 360)]
    (missed,) = virtual_app.recorder.of(OccurrencesMissed)
    assert missed == OccurrencesMissed("diary", START + timedelta(minutes=1), 5)


async def test_a_run_within_its_grace_is_late_and_one_beyond_is_skipped(
    virtual_app: Harness, diary: Diary
) -> None:
    await missed_for(virtual_app, diary, 10 * MINUTE + 30, misfire_grace=45)
    assert diary.entries == [(630, 600, None), (660, 660, 600), (720, 720, 660)]
    (missed,) = virtual_app.recorder.of(OccurrencesMissed)
    assert missed == OccurrencesMissed("diary", START + timedelta(minutes=1), 9)


async def test_a_retry_is_never_too_late(virtual_app: Harness, diary: Diary) -> None:
    diary.errors = [RuntimeError("once")]
    job = scheduled(diary, misfire_grace=1, backoff=bgjobs.backoff.Constant(3600))
    await live_for(application(virtual_app, job), 61)
    await anyio.sleep(5 * HOUR)
    await live_for(application(virtual_app, job), 1)
    assert [at for _, at, _ in diary.entries] == [60, 60]
