"""Changes to scheduled jobs beside runs, stops, other processes and an unreachable store."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import anyio
import pytest

import bgjobs
from bgjobs import every, schedule
from bgjobs.errors import (
    ConfigError,
    StoreUnavailableError,
)
from bgjobs.events import (
    JobAttemptFailed,
    JobStarted,
    JobSucceeded,
    OccurrencePlanned,
    OccurrenceReplanned,
    OccurrencesMissed,
    QueueError,
)
from bgjobs.testing import VirtualClock
from tests.fixtures.listings import unreserved
from tests.runtime.conftest import Harness, Wrapped, virtual_time
from tests.runtime.scheduled.conftest import RARELY, application
from tests.runtime.scheduled.hourly import (
    DAY,
    HOUR,
    START,
    failing,
    job,
    long,
    rest,
    standing,
    tick,
)

pytestmark = pytest.mark.anyio


@virtual_time
async def test_a_job_removed_while_its_run_waits_for_a_retry_is_deleted(
    virtual_app: Harness,
) -> None:
    retried = job(failing, backoff=bgjobs.backoff.Constant(600))
    async with bgjobs.run(application(virtual_app, retried)) as bg:
        await rest(HOUR + timedelta(seconds=1))
        await bg.remove_scheduled_job("failing")
        assert len(await bg.list(bgjobs.JobFilter("running"))) == 1
        assert bg.scheduled_jobs == ()
        with pytest.raises(ConfigError, match="'failing' was removed, but a run has not"):
            await bg.add_scheduled_job(retried)
        await rest(DAY)
        assert await unreserved(bg) == await bg.list(bgjobs.JobFilter("running")) == []
        assert len(virtual_app.recorder.of(JobAttemptFailed)) == 1
        await bg.add_scheduled_job(job(tick, name="failing"))


@virtual_time
async def test_a_job_removed_while_another_queue_runs_it_is_deleted(
    virtual_app: Harness,
) -> None:
    queues = [bgjobs.Queue(str(n), workers=[long], poll_interval=RARELY) for n in range(3)]
    async with bgjobs.run(application(virtual_app, job(long), queues=queues)) as bg:
        await rest(HOUR + timedelta(minutes=1))
        await bg.remove_scheduled_job("long")
        await rest(DAY)
        assert await unreserved(bg) == await bg.list(bgjobs.JobFilter("running")) == []
        assert len(await bg.list(bgjobs.JobFilter("succeeded"))) == 1


@virtual_time
async def test_a_job_paused_while_shutdown_interrupts_its_run_stays_paused(
    virtual_app: Harness,
) -> None:
    async with bgjobs.run(application(virtual_app, job(long), grace=1)) as bg:
        await rest(HOUR + timedelta(minutes=1))
        await bg.scheduled_job("long").pause()
        assert not (await standing(bg, "long")).paused
    async with bgjobs.run(application(virtual_app, job(long))) as bg:
        await rest(DAY)
        assert (await standing(bg, "long")).paused
    assert len(virtual_app.recorder.of(JobStarted)) == 1


@virtual_time
async def test_a_change_by_another_process_is_not_undone(virtual_app: Harness) -> None:
    at_five, daily = schedule().at(5).build(), schedule().at(0).build()
    first, second = (application(virtual_app, job(tick)) for _ in range(2))
    async with bgjobs.run(first) as one, bgjobs.run(second) as other:
        await one.scheduled_job("tick").pause()
        await other.scheduled_job("tick").replace(at_five)
        assert (await standing(one, "tick")).paused
        await one.scheduled_job("tick").resume()
        assert (await standing(one, "tick")).recurrence.schedule == at_five.text
        await other.scheduled_job("tick").pause()
        await other.scheduled_job("tick").resume()
        await one.scheduled_job("tick").replace(daily)
        assert (await standing(other, "tick")) == bgjobs.Occurrence(
            recurrence=one.scheduled_job("tick").config.recurrence, at=START + DAY
        )


@virtual_time
async def test_a_run_that_would_wait_longer_than_a_year_is_replaced_once(
    virtual_app: Harness,
) -> None:
    """By a process with a shorter interval; the process that planned it accepts that."""
    rarely = every(days=30_000)
    jobs = (job(tick, one, poll_interval=600.0) for one in (every(hours=1), rarely))
    often, other = (application(virtual_app, one) for one in jobs)
    async with bgjobs.run(often) as one, bgjobs.run(other):
        await anyio.sleep(5.5 * HOUR.total_seconds())
        assert (await standing(one, "tick")).recurrence.schedule == every(hours=1).text
    assert len(virtual_app.recorder.of(JobStarted)) == 5
    moves = virtual_app.recorder.of(OccurrenceReplanned)
    assert [move.at > move.before for move in moves] == [True, False]


@virtual_time
async def test_concurrent_changes_are_all_made_in_order(
    virtual_app: Harness,
) -> None:
    async with bgjobs.run(application(virtual_app, job(tick))) as bg:
        control = bg.scheduled_job("tick")
        async with anyio.create_task_group() as tasks:
            for hours in range(2, 8):
                tasks.start_soon(control.pause)
                tasks.start_soon(control.replace, every(hours=hours))
                tasks.start_soon(control.resume)
        occurrence = await standing(bg, "tick")
        assert occurrence.recurrence == control.config.recurrence
        assert bg._children._rows["tick"].pending == []


@virtual_time
async def test_replacing_a_schedule_reports_no_future_run_as_missed(
    virtual_app: Harness,
) -> None:
    minutely = job(long, schedule().build())
    async with bgjobs.run(application(virtual_app, minutely)) as bg:
        await rest(timedelta(minutes=1, seconds=30))
        await bg.scheduled_job("long").replace(schedule().at(0).build())
        await rest(DAY)
    (missed,) = virtual_app.recorder.of(OccurrencesMissed)
    assert (missed.first, missed.count) == (START + timedelta(minutes=2), 29)


@virtual_time
async def test_a_run_that_is_due_at_start_comes_before_a_changed_schedule(
    virtual_app: Harness,
) -> None:
    async with bgjobs.run(application(virtual_app, job(tick))):
        await rest(timedelta(minutes=1))
    await rest(5 * HOUR)
    async with bgjobs.run(application(virtual_app, job(tick, every(hours=3)))):
        await rest(timedelta(minutes=1))
    (done,) = virtual_app.recorder.of(JobSucceeded)
    assert done.job.occurrence is not None
    assert done.job.occurrence.at == START + HOUR
    assert virtual_app.recorder.of(OccurrencePlanned)[-1].at == START + 8 * HOUR + timedelta(
        minutes=1
    )


@virtual_time
async def test_a_retry_keeps_its_backoff_when_the_settings_change(
    virtual_app: Harness,
) -> None:
    slow = bgjobs.backoff.Constant(1800)
    async with bgjobs.run(application(virtual_app, job(failing, backoff=slow))):
        await rest(HOUR + timedelta(minutes=2))
    changed = job(failing, every(hours=2), backoff=slow, max_retries=1)
    async with bgjobs.run(application(virtual_app, changed)) as bg:
        await rest(timedelta(minutes=1))
        (waiting,) = await unreserved(bg)
        assert (waiting.attempts, waiting.available_at - START) == (
            1,
            HOUR + timedelta(minutes=31),
        )
        await rest(HOUR)
        (failed,) = await bg.list(bgjobs.JobFilter("failed"))
        assert failed.attempts == 1
        assert (await standing(bg, "failing")).recurrence == changed.recurrence


class Away:
    """A store that fails some calls, before or after they are done."""

    def __init__(self, app: Harness, *verbs: str, before: bool = False) -> None:
        self.calls: list[str] = []
        self.silent: list[str] = []
        self._before = before
        real = app.database.store()
        self.store: Any = Wrapped(
            real, **{verb: self._silenced(verb, getattr(real, verb)) for verb in verbs}
        )

    def _silenced(self, verb: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append(verb)
            answer = None if self._before and verb in self.silent else real(*args, **kwargs)
            if verb in self.silent:
                self.silent.remove(verb)
                raise StoreUnavailableError(f"{verb}: no answer")
            return answer

        call.__name__ = verb
        return call


@virtual_time
@pytest.mark.parametrize("before", [True, False])
async def test_after_a_lost_answer_a_change_is_made_and_reported_once(
    virtual_app: Harness, before: bool
) -> None:
    away = Away(virtual_app, "replace", "write", before=before)
    away.silent = ["write"]
    async with bgjobs.run(application(virtual_app, job(tick), store=away.store)) as bg:
        await rest(timedelta(minutes=1))
        away.silent = ["replace"]
        await bg.scheduled_job("tick").replace(every(minutes=10))
        away.silent = ["write"]
        await rest(timedelta(minutes=35))
        assert len(await unreserved(bg)) == 1
    assert virtual_app.recorder.names(OccurrencePlanned, OccurrenceReplanned, JobSucceeded) == [
        *("OccurrencePlanned", "OccurrenceReplanned"),
        *(("JobSucceeded", "OccurrencePlanned") * 3),
    ]


@virtual_time
async def test_a_longer_outage_delays_a_change_and_loses_none(
    virtual_app: Harness,
) -> None:
    away = Away(virtual_app, "find_unique", before=True)
    settings: dict[str, Any] = {"store": away.store, "store_timeout": 1}
    async with bgjobs.run(application(virtual_app, job(tick), **settings)) as bg:
        await rest(timedelta(minutes=1))
        away.silent = ["find_unique"] * 100
        with pytest.raises(StoreUnavailableError):
            await bg.remove_scheduled_job("tick")
        assert bg.scheduled_jobs == ()
        await rest(HOUR / 2)
        assert await unreserved(bg) == []
        await bg.add_scheduled_job(job(tick))
        assert len(await unreserved(bg)) == 1
    assert len(virtual_app.recorder.of(QueueError)) > 0


@virtual_time
async def test_the_clock_of_a_node_does_not_decide(virtual_app: Harness) -> None:
    """It is an hour ahead from the start, and later two hours."""
    right = VirtualClock()

    class Wrong:
        inline = True
        error = HOUR

        def now(self) -> datetime:
            return right.now() + self.error

        def store_now(self) -> datetime:
            return right.now()

        def monotonic(self) -> float:
            return right.monotonic()

    clock = Wrong()
    served = job(tick, schedule().every_minutes(10).build(), misfire_grace=5)
    async with bgjobs.run(application(virtual_app, served, clock=clock)):
        await rest(HOUR)
        clock.error = 2 * HOUR
        await rest(HOUR + timedelta(seconds=1))
    ran = [event.job.occurrence for event in virtual_app.recorder.of(JobSucceeded)]
    assert [one.at for one in ran if one is not None] == [
        START + number * timedelta(minutes=10) for number in range(1, 13)
    ]
    assert virtual_app.recorder.of(OccurrencesMissed) == []


async def test_pausing_works_while_another_process_runs_the_job_nearly_all_the_time(
    app: Harness,
) -> None:
    """Two processes, of which one runs the job most of the time."""

    @bgjobs.worker
    async def busy() -> None:
        await anyio.sleep(0.02)

    def settings() -> bgjobs.Config:
        return application(app, job(busy, every(milliseconds=20), poll_interval=0.1))

    async with bgjobs.run(settings()) as one, bgjobs.run(settings()) as other:
        await app.recorder.wait_for(JobSucceeded, 3)
        with anyio.fail_after(60):
            await other.scheduled_job("busy").pause()
            while not (await standing(one, "busy")).paused:
                await anyio.sleep(0.05)


@virtual_time
async def test_removing_a_job_does_not_cancel_an_extra_run(virtual_app: Harness) -> None:
    async with bgjobs.run(application(virtual_app, job(long), grace=1)) as bg:
        await bg.scheduled_job("long").trigger()
        await rest(timedelta(minutes=1))
        await bg.remove_scheduled_job("long")
        assert await unreserved(bg) == []
        await rest(HOUR)
        assert len(await bg.list(bgjobs.JobFilter("succeeded"))) == 1
        assert len(bg._worker.queues) == 0


@virtual_time
async def test_a_pause_that_waits_for_a_run_is_made_at_the_end_of_the_application(
    virtual_app: Harness,
) -> None:
    queues = [bgjobs.Queue(str(n), workers=[long], poll_interval=RARELY) for n in range(3)]
    async with bgjobs.run(application(virtual_app, job(long), queues=queues, grace=1)) as bg:
        await rest(HOUR + timedelta(minutes=1))
        await bg.scheduled_job("long").pause()
    async with bgjobs.run(application(virtual_app, job(long))) as bg:
        assert (await standing(bg, "long")).paused


@virtual_time
async def test_stopping_does_not_wait_for_the_run_of_another_process(
    virtual_app: Harness,
) -> None:
    async with bgjobs.run(application(virtual_app, job(long))) as one:
        await rest(HOUR + timedelta(minutes=1))
        before = anyio.current_time()
        async with (
            bgjobs.run(application(virtual_app, job(long))) as other,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(other.scheduled_job("long").pause)
            await rest(timedelta(seconds=5))
            other.stop()
        assert anyio.current_time() - before < 20
        assert len(await one.list(bgjobs.JobFilter("running"))) == 1


@bgjobs.worker
async def visit(numbers: set[int]) -> None: ...


async def test_a_start_with_an_equal_set_leaves_the_row_unchanged(app: Harness) -> None:
    # A set keeps its capacity after removals, so equal sets may differ in order. In two
    # processes, equal sets of strings do so, too.
    small = {0, 900, 100, 800, 200, 700, 300, 600, 400, 500}
    roomy = set(range(1000))
    roomy.difference_update({*roomy} - small)
    assert roomy == small
    assert [*roomy] != [*small]
    rows: list[bgjobs.Job] = []
    for numbers in (small, roomy):
        yearly = job(visit, every(days=365), request=visit.request(numbers))
        async with bgjobs.run(application(app, yearly)) as bg:
            with anyio.fail_after(30):
                while not (found := await unreserved(bg)):
                    await anyio.sleep(0.01)
        rows += found
    assert [row.id for row in rows] == [rows[0].id] * 2
    assert app.recorder.of(OccurrenceReplanned) == []
