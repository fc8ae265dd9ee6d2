"""The settings of scheduled jobs: defaults and problems."""

from datetime import timedelta
from typing import Any

import attrs
import pytest

import bgjobs
from bgjobs import every, schedule
from bgjobs._core.occurrences import Recurrence
from bgjobs.backoff import Constant
from bgjobs.errors import ConfigError

HOURLY = every(hours=1)


@bgjobs.worker
async def purge() -> None: ...


@bgjobs.worker
async def report(region: str, *, days: int = 1) -> None: ...


def listener(event: bgjobs.Event) -> None: ...


def problems(*args: Any, **settings: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        bgjobs.ScheduledJob(*args, **settings)
    return caught.value.problems


def test_it_has_the_name_of_its_worker_and_careful_defaults() -> None:
    job = bgjobs.ScheduledJob(purge, HOURLY)
    assert (job.name, job.max_retries, job.backoff) == ("purge", None, None)
    assert (job.catch_up, job.misfire_grace, job.jitter) == ("once", None, 0.0)
    assert job.listeners == ()
    assert job.run_request() == purge.request()
    assert job.recurrence == Recurrence(name="purge", schedule="every 3600000ms")
    assert job.recurrence.unique_key == "schedule:purge"


def test_every_setting_is_kept() -> None:
    request = report.request("eu", days=7).priority(3)
    job = bgjobs.ScheduledJob(
        report,
        schedule().at(6).build(),
        name="report-eu",
        request=request,
        max_retries=0,
        backoff=Constant(1),
        catch_up=5,
        misfire_grace=60,
        jitter=1.5,
        listeners=[listener],
    )
    assert (job.name, job.run_request(), job.listeners) == ("report-eu", request, (listener,))
    assert job.recurrence == Recurrence(
        name="report-eu",
        schedule="fixed second=0 minute=0 hour=6",
        catch_up=5,
        misfire_grace=timedelta(seconds=60),
        jitter=timedelta(seconds=1.5),
    )


def test_it_is_frozen() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        bgjobs.ScheduledJob(purge, HOURLY).name = "other"  # type: ignore[misc]  # the point


def test_without_catching_up_a_run_may_be_a_second_late() -> None:
    assert bgjobs.ScheduledJob(
        purge, HOURLY, catch_up="never"
    ).recurrence.misfire_grace == timedelta(seconds=1)
    job = bgjobs.ScheduledJob(purge, HOURLY, catch_up="never", misfire_grace=30)
    assert job.recurrence.misfire_grace == timedelta(seconds=30)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "scheduled job '': name: expected a name, found ''"),
    ({"name": 3}, "scheduled job 3: name: expected str, found int"),
    ({"max_retries": -1}, "max_retries: expected 0 to 1000000, found -1"),
    ({"catch_up": 0}, "catch_up: expected 1 to 1000000, found 0"),
    ({"catch_up": "all"}, "catch_up: expected 'once', 'never' or a number, found 'all'"),
    ({"catch_up": True}, "catch_up: expected int, found bool"),
    (
        {"misfire_grace": 0},
        "misfire_grace: expected 0.1 to 1e+09 seconds, found 0",
    ),
    ({"jitter": -1}, "jitter: expected 0 to 1e+09 seconds, found -1"),
    ({"poll_interval": 0}, "poll_interval: expected 0.01 to 604800 seconds, found 0"),
    ({"listeners": [1]}, "listeners[0]: expected a function of one event, found int"),
    (
        {"backoff": "often"},
        "backoff: expected a policy of bgjobs.backoff or a function, found str",
    ),
    (
        {"request": report.request("eu")},
        "request: expected one of 'purge', found 'report'",
    ),
    (
        {"request": purge.request().unique("k")},
        "request: expected no time and no unique key, which the schedule sets",
    ),
    (
        {"request": purge.request().available_in(hours=1)},
        "request: expected no time and no unique key, which the schedule sets",
    ),
]


@pytest.mark.parametrize(("settings", "problem"), WRONG)
def test_a_wrong_value_is_refused_where_it_is_given(
    settings: dict[str, Any], problem: str
) -> None:
    (found,) = problems(purge, HOURLY, **settings)
    assert found.removeprefix("scheduled job 'purge': ") == problem


def test_an_unbuilt_schedule_is_refused() -> None:
    assert problems(purge, schedule().on_hour(3)) == (
        "scheduled job 'purge': schedule: expected a built schedule, found ScheduleBuilder",
    )
    assert problems(purge, type(HOURLY)) == (
        "scheduled job 'purge': schedule: expected a built schedule, found the class Interval",
    )


def test_a_worker_that_needs_arguments_needs_a_request() -> None:
    (problem,) = problems(report, HOURLY)
    assert problem == (
        "scheduled job 'report': request: report() missing a required argument: 'region'; "
        "pass request=worker.request(...)"
    )


def test_anything_but_a_worker_is_refused() -> None:
    assert problems(listener, HOURLY, name="x") == (
        "scheduled job 'x': worker: expected Worker, found function",
    )


def test_all_problems_are_listed_at_once() -> None:
    assert len(problems(None, None, jitter=-1, max_retries=-1, catch_up=0)) == 6


def test_a_configuration_may_consist_of_scheduled_jobs() -> None:
    store = bgjobs.SQLiteStore("never-opened.db")
    config = bgjobs.Config(store=store, scheduled_jobs=[bgjobs.ScheduledJob(purge, HOURLY)])
    config.check()
    assert [worker.name for worker in config.all_workers()] == ["purge"]


def test_problems_of_the_whole_configuration_are_listed() -> None:
    @bgjobs.worker(name="purge")
    async def impostor() -> None: ...

    jobs = [bgjobs.ScheduledJob(purge, HOURLY), bgjobs.ScheduledJob(impostor, HOURLY)]
    with pytest.raises(ConfigError) as caught:
        bgjobs.Config(store=bgjobs.SQLiteStore("never-opened.db"), scheduled_jobs=jobs)
    assert caught.value.problems == (
        "scheduled_jobs: two have the name 'purge'",
        "workers: two different handlers have the name 'purge'",
    )
    with pytest.raises(ConfigError) as caught:
        wrong: Any = [1]  # as an untyped caller has it
        bgjobs.Config(store=bgjobs.SQLiteStore("never-opened.db"), scheduled_jobs=wrong)
    assert caught.value.problems == (
        "Config: scheduled_jobs[0]: expected a ScheduledJob, found int",
    )


def test_a_unique_key_of_the_scheduled_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="'schedule:' begins the keys of scheduled jobs"):
        purge.request().unique("schedule:purge")
