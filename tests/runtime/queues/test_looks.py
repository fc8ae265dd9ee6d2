"""When a queue looks for jobs after a position, and when from the start."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job
from bgjobs._runtime.queues.looks import IN_A_ROW, SECONDS_PER_JOB, SLOW, Looks
from bgjobs.events import JobSucceeded
from bgjobs.stores.types import FROM_THE_START, NewJob, Position
from tests.fixtures.looks import slow_looks
from tests.runtime.conftest import Harness, Wrapped

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@bgjobs.worker
async def note(number: int) -> None:
    """Succeeds."""


def job(seconds: float = 0, name: str = "note", priority: int = 0) -> Job:
    return Job(
        id=new_id(),
        name=name,
        payload="{}",
        priority=priority,
        created_at=NOW,
        available_at=NOW + timedelta(seconds=seconds),
    )


def position(of: Job) -> Position:
    return Position(of.available_at, of.id)


def look(chosen: Looks, seconds: float, *jobs: Job, at: float = 0.0) -> bool:
    """Look once; return whether the next look is one from the start."""
    chosen.record(chosen.after(at), jobs, at, at + seconds)
    return chosen.after(at + seconds) == FROM_THE_START


def slowed(*jobs: Job, interval: float = 2.0) -> Looks:
    chosen = Looks(interval)
    for _ in range(IN_A_ROW):
        look(chosen, 2 * SLOW, *jobs)
    return chosen


def test_a_queue_looks_from_the_start_until_several_looks_in_a_row_were_slow() -> None:
    chosen = Looks(2.0)
    slow = 2 * SLOW

    answers = [look(chosen, one, job()) for one in (slow, slow, 0, slow, slow, slow)]

    assert IN_A_ROW == 3
    assert answers == [True, True, True, True, True, False]


def test_the_time_of_the_jobs_themselves_is_not_counted() -> None:
    chosen, jobs = Looks(2.0), [job() for _ in range(1000)]

    assert all(look(chosen, SLOW / 2 + 1000 * SECONDS_PER_JOB, *jobs) for _ in range(9))


def test_the_position_is_that_of_the_last_job_of_the_default_priority() -> None:
    first, last, urgent = job(1), job(2), job(3, priority=-1)
    other = job(5, "other")
    chosen = slowed(urgent, first, last, other)

    known = {"note": position(last), "other": position(other)}
    assert chosen.after(0.05) == known
    look(chosen, 0.001, job(0), at=0.05)  # one that was before the position
    assert chosen.after(0.06) == known


def test_a_slow_look_from_the_start_is_followed_by_ten_times_as_long_without() -> None:
    chosen = slowed(job(), interval=0.1)

    assert chosen.after(0.43) != FROM_THE_START
    assert chosen.until_from_start(0.43) == pytest.approx(0.0095)
    assert chosen.after(0.45) == FROM_THE_START
    assert look(chosen, 2 * SLOW, at=0.45) is False
    assert look(chosen, SLOW / 2, at=1.0) is True


def test_the_rest_is_at_least_the_interval() -> None:
    chosen = slowed(job(), interval=2.0)

    assert chosen.after(2.0) != FROM_THE_START
    assert chosen.after(2.1) == FROM_THE_START


def test_looks_from_positions_that_take_as_long_end_them() -> None:
    """The way to the server is long, and not the look."""
    chosen = slowed(job(), interval=0.1)
    look(chosen, 1.5 * SLOW, at=0.05)

    assert look(chosen, 2 * SLOW, at=1.0) is True
    assert look(chosen, 2 * SLOW, at=1.1) is True


def test_without_a_known_position_all_looks_are_from_the_start() -> None:
    assert slowed().after(0.05) == FROM_THE_START
    assert slowed(job(priority=1)).after(0.05) == FROM_THE_START


def test_jobs_that_were_put_back_are_looked_for_at_once() -> None:
    chosen = slowed(job())
    chosen.look_from_start()

    assert chosen.after(0.05) == FROM_THE_START
    assert chosen.until_from_start(0.05) == float("inf")


@pytest.mark.anyio
async def test_a_job_from_before_the_position_is_found_by_the_next_look_from_the_start(
    app: Harness,
) -> None:
    """The job was committed late."""
    real, given = app.database.store(), list[bool]()

    def reserve(*args: Any, **kwargs: Any) -> Any:
        given.append(bool(kwargs["after"]))
        return real.reserve(*args, **kwargs)

    store = Wrapped(real, reserve=reserve)
    config = app.config(note, store=store, queue={"poll_interval": 0.1})
    with slow_looks():
        async with bgjobs.run(config) as bg:
            await bg.enqueue_many([note.request(number) for number in range(50)])
            await app.recorder.wait_for(JobSucceeded, 50)
            early = note.request(-1).available_at(datetime(2000, 1, 1, tzinfo=UTC))
            real.write([NewJob(new_id(), early)])
            ended = await app.recorder.wait_for(JobSucceeded, 51)
            await app.recorder.wait_for(JobSucceeded, 51)
    assert '"number":-1' in ended[-1].job.payload
    assert True in given
