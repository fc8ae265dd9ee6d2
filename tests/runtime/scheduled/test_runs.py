"""When a scheduled job runs, and what is planned after each run."""

from datetime import timedelta
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs import every, schedule
from bgjobs.events import (
    Event,
    JobEnqueued,
    JobFailed,
    JobStarted,
    JobSucceeded,
    OccurrencePlanned,
    OccurrenceReplanned,
    OccurrencesMissed,
)
from bgjobs.testing import VirtualClock
from tests.fixtures.listings import unreserved
from tests.runtime.conftest import Harness, virtual_time
from tests.runtime.scheduled.conftest import (
    EVERY_MINUTE,
    HOUR,
    MINUTE,
    RARELY,
    START,
    Diary,
    application,
    live_for,
    scheduled,
)

pytestmark = [pytest.mark.anyio, virtual_time]


async def test_a_new_scheduled_job_waits_for_its_first_occurrence(
    virtual_app: Harness, diary: Diary
) -> None:
    config = application(virtual_app, scheduled(diary))
    async with bgjobs.run(config) as bg:
        await anyio.sleep(59)
        assert diary.ran == []
        (waiting,) = await unreserved(bg, "diary")
        assert waiting.available_at == START + timedelta(minutes=1)
        assert (waiting.unique_key, waiting.payload) == ("schedule:diary", "{}")
        await anyio.sleep(2)
        assert diary.ran == [60]


async def test_a_run_knows_its_occurrence_and_the_one_before(
    virtual_app: Harness, diary: Diary
) -> None:
    await live_for(application(virtual_app, scheduled(diary)), 3 * MINUTE + 1)
    assert diary.entries == [(60, 60, None), (120, 120, 60), (180, 180, 120)]


async def test_the_next_run_is_planned_after_success_and_after_the_last_failure(
    virtual_app: Harness, diary: Diary
) -> None:
    diary.errors = [RuntimeError(str(number)) for number in range(3)]
    config = application(virtual_app, scheduled(diary, max_retries=1))
    await live_for(config, 3 * MINUTE + 1)
    assert diary.entries == [
        (60, 60, None),  # raises, is tried again and raises
        (60, 60, None),
        (120, 120, 60),  # raises, is tried again and returns
        (120, 120, 60),
        (180, 180, 120),
    ]
    assert virtual_app.recorder.names(JobFailed, JobSucceeded, OccurrencePlanned) == [
        "OccurrencePlanned",
        *("JobFailed", "OccurrencePlanned"),
        *("JobSucceeded", "OccurrencePlanned"),
        *("JobSucceeded", "OccurrencePlanned"),
    ]


async def test_an_interval_is_counted_from_the_end_of_the_last_run(
    virtual_app: Harness, clock: VirtualClock
) -> None:
    slow = Diary(clock, seconds=90)
    await live_for(application(virtual_app, scheduled(slow, every(minutes=1))), 6 * MINUTE + 1)
    assert slow.ran == [60, 60 + 90 + 60, 60 + 2 * 150]
    assert virtual_app.recorder.of(OccurrencesMissed) == []


async def test_an_interval_of_milliseconds_is_kept_to_the_millisecond(
    virtual_app: Harness, diary: Diary
) -> None:
    config = application(virtual_app, scheduled(diary, every(milliseconds=250)))
    await live_for(config, 1.1)
    assert diary.ran == pytest.approx([0.25, 0.5, 0.75, 1.0], abs=0.001)


async def test_a_row_that_waits_at_start_is_kept(virtual_app: Harness, diary: Diary) -> None:
    config = application(virtual_app, scheduled(diary, every(hours=1)))
    await live_for(config, 40 * MINUTE)
    await live_for(config, 40 * MINUTE)
    assert diary.ran == [HOUR]
    assert virtual_app.recorder.names(OccurrencePlanned, OccurrenceReplanned) == [
        "OccurrencePlanned",
        "OccurrencePlanned",
    ]


async def test_a_changed_schedule_plans_the_waiting_row_again(
    virtual_app: Harness, diary: Diary
) -> None:
    await live_for(application(virtual_app, scheduled(diary, every(days=1))), MINUTE)
    half_past = schedule().on_minute(30).build()
    await live_for(application(virtual_app, scheduled(diary, half_past)), HOUR)
    assert diary.ran == [30 * MINUTE]
    (replanned,) = virtual_app.recorder.of(OccurrenceReplanned)
    assert replanned.before == START + timedelta(days=1)
    assert replanned.at == START + timedelta(minutes=30)


async def test_a_changed_request_keeps_the_time_of_the_waiting_row(
    virtual_app: Harness,
) -> None:
    served: list[str] = []

    @bgjobs.worker
    async def report(region: str) -> None:
        served.append(region)

    def job(region: str) -> bgjobs.ScheduledJob:
        request = report.request(region)
        return bgjobs.ScheduledJob(
            report, every(hours=1), request=request, poll_interval=RARELY
        )

    await live_for(application(virtual_app, job("eu")), 10 * MINUTE)
    await live_for(application(virtual_app, job("us")), 50 * MINUTE + 1)
    assert served == ["us"]


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        ({"a": 1, "b": {"c": 1, "d": 2}}, {"b": {"d": 2, "c": 1}, "a": 1}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
    ],
)
async def test_an_equal_dict_in_another_order_leaves_the_waiting_row_unchanged(
    virtual_app: Harness, before: Any, after: Any, kept: bool
) -> None:
    @bgjobs.worker
    async def report(sizes: dict[str, bool | int | list[int] | dict[str, int]]) -> None: ...

    def job(sizes: Any) -> bgjobs.ScheduledJob:
        request = report.request(sizes)
        return bgjobs.ScheduledJob(
            report, every(hours=1), request=request, poll_interval=RARELY
        )

    await live_for(application(virtual_app, job(before)), MINUTE)
    async with bgjobs.run(application(virtual_app, job(after))) as bg:
        await anyio.sleep(MINUTE)
        (waiting,) = await unreserved(bg, "report")
    assert waiting.payload == report.request(before if kept else after).payload


async def test_jitter_moves_the_run_and_not_the_occurrence(
    virtual_app: Harness, diary: Diary
) -> None:
    job = scheduled(diary, schedule().on_minute(0).build(), jitter=600, misfire_grace=1)
    await live_for(application(virtual_app, job), 5 * HOUR + 601)
    assert [at for _, at, _ in diary.entries] == [hour * HOUR for hour in range(1, 6)]
    delays = [ran - at for ran, at, _ in diary.entries]
    assert all(0 <= delay <= 601 for delay in delays)
    assert len(set(delays)) == 5


async def test_a_clock_that_is_set_back_repeats_no_occurrence(
    virtual_app: Harness, diary: Diary, clock: VirtualClock
) -> None:
    config = application(virtual_app, scheduled(diary))
    async with bgjobs.run(config):
        await anyio.sleep(2 * MINUTE + 1)
        clock.start -= timedelta(minutes=5)
        await anyio.sleep(8 * MINUTE)
    served = [at for _, at, _ in diary.entries]
    assert served == sorted(set(served))
    assert served[:2] == [60, 120]


async def test_enqueueing_the_worker_directly_is_an_extra_run(virtual_app: Harness) -> None:
    served: list[bgjobs.Occurrence | None] = []

    @bgjobs.worker
    async def purge(context: bgjobs.JobContext) -> None:
        served.append(context.occurrence)

    job = bgjobs.ScheduledJob(purge, EVERY_MINUTE, poll_interval=RARELY)
    async with bgjobs.run(application(virtual_app, job)) as bg:
        await bg.enqueue(purge.request())
        await bg.enqueue(purge.request())
        await bg.drain()
        assert served == [None, None]
        await anyio.sleep(MINUTE + 1)
    assert [None if one is None else one.at for one in served] == [
        *(None, None),
        START + timedelta(minutes=1),
    ]
    assert len(virtual_app.recorder.of(JobEnqueued)) == 2


async def test_listeners_of_a_scheduled_job_get_only_its_events(
    virtual_app: Harness, diary: Diary
) -> None:
    seen: list[Event] = []

    @bgjobs.worker
    async def other() -> None: ...

    async def later(event: Event) -> None:
        seen.append(event)

    config = application(
        virtual_app,
        scheduled(diary, listeners=[seen.append]),
        scheduled(diary, name="twin"),
        bgjobs.ScheduledJob(other, EVERY_MINUTE, poll_interval=RARELY, listeners=[later]),
    )
    await live_for(config, MINUTE + 1)
    jobs = [event.job for event in seen if isinstance(event, JobStarted | JobSucceeded)]
    keys = [job.unique_key for job in jobs]
    assert sorted(map(str, keys)) == ["schedule:diary"] * 2 + ["schedule:other"] * 2
    planned = [event.scheduled_job for event in seen if isinstance(event, OccurrencePlanned)]
    assert sorted(planned) == ["diary", "diary", "other", "other"]


async def test_a_queue_of_the_worker_may_run_it_with_the_settings_of_the_scheduled_job(
    virtual_app: Harness, diary: Diary
) -> None:
    """Any queue may run it; the retries and the next run follow the scheduled job."""
    diary.errors = [RuntimeError(str(number)) for number in range(16)]
    job = scheduled(diary, max_retries=1)
    queues = [
        bgjobs.Queue(name, workers=[diary.worker], poll_interval=RARELY, max_retries=5)
        for name in ("one", "two")
    ]
    await live_for(application(virtual_app, job, queues=queues), 8 * MINUTE + 1)
    assert [at for _, at, _ in diary.entries] == [
        minute * MINUTE for minute in range(1, 9) for _ in range(2)
    ]
    # Which of the three queues runs it is random for each of the 16 runs.
    assert {event.queue for event in virtual_app.recorder.of(JobStarted)} - {"diary"}


async def test_a_process_without_the_scheduled_job_plans_nothing_and_one_with_it_starts_again(
    virtual_app: Harness, diary: Diary
) -> None:
    await live_for(application(virtual_app, scheduled(diary)), 1)
    queue = bgjobs.Queue("default", workers=[diary.worker], poll_interval=RARELY)
    await live_for(virtual_app.config(queues=[queue]), 3 * MINUTE)
    assert diary.entries == [(60, 60, None)]
    await live_for(application(virtual_app, scheduled(diary)), MINUTE)
    assert diary.entries[1:] == [(240, 240, None)]


async def test_draining_does_not_wait_for_scheduled_runs(
    virtual_app: Harness, diary: Diary
) -> None:
    ran: list[str] = []

    @bgjobs.worker
    async def mail() -> None:
        ran.append("mail")

    queue = bgjobs.Queue("default", workers=[mail, diary.worker], poll_interval=RARELY)
    config = application(virtual_app, scheduled(diary), queues=[queue])
    async with bgjobs.run(config) as bg:
        await bg.enqueue(mail.request().available_in(minutes=30))
        assert await bg.drain(with_delayed=True)
        assert ran == ["mail"]
