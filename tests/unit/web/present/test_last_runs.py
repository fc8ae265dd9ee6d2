"""The last runs of a scheduled job, in their order, with what was missed between them."""

from datetime import UTC, datetime, timedelta

import bgjobs
from bgjobs._core.occurrences import Occurrence, Recurrence
from bgjobs.schedules import every, from_cron
from bgjobs.web.present.charts import MOST_RUNS
from bgjobs.web.present.last_runs import EndedJob, last_runs
from tests.unit.web.present.lives import SHARED, T0

HOUR = timedelta(hours=1)
HOURLY = from_cron("0 * * * *").text


def run(
    hour: int, previous: int | None = None, *, name: str = "report", schedule: str = HOURLY
) -> Occurrence:
    before = None if previous is None else T0 + previous * HOUR
    recurrence = Recurrence(name=name, schedule=schedule)
    return Occurrence(recurrence=recurrence, at=T0 + hour * HOUR, previous=before)


def succeeded(occurrence: Occurrence | None, hour: int) -> EndedJob:
    values = {**SHARED, "occurrence": occurrence}
    return bgjobs.SucceededJob(**values, succeeded_at=T0 + hour * HOUR)


def cancelled(occurrence: Occurrence, hour: int) -> EndedJob:
    values = {**SHARED, "occurrence": occurrence}
    return bgjobs.CancelledJob(**values, cancelled_at=T0 + hour * HOUR, reason="no stock")


def outcomes(*jobs: EndedJob) -> list[str]:
    return [mark.outcome for mark in last_runs("report", jobs)]


def test_runs_are_in_the_order_of_their_ends() -> None:
    assert outcomes(cancelled(run(2, 1), 3), succeeded(run(1), 2)) == ["succeeded", "cancelled"]


def test_occurrences_without_a_run_are_before_the_run_that_follows() -> None:
    marks = last_runs("report", [succeeded(run(1), 1), succeeded(run(4, 1), 4)])
    assert [(mark.outcome, mark.at) for mark in marks] == [
        ("succeeded", T0 + HOUR),
        ("missed", T0 + 2 * HOUR),
        ("missed", T0 + 3 * HOUR),
        ("succeeded", T0 + 4 * HOUR),
    ]


def test_a_year_without_runs_is_bounded() -> None:
    found = outcomes(succeeded(run(1), 1), succeeded(run(9_000, 1), 9_000))
    assert found == ["missed"] * (MOST_RUNS - 1) + ["succeeded"]


def test_times_at_the_ends_of_the_calendar_are_shown() -> None:
    recurrence = Recurrence(name="report", schedule=HOURLY)
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    for at, previous in ((first, last), (last, last), (first, first)):
        assert outcomes(
            succeeded(Occurrence(recurrence=recurrence, at=at, previous=previous), 1)
        ) == ["succeeded"]


def test_an_interval_misses_nothing_as_it_counts_from_the_end() -> None:
    text = every(minutes=5).text
    assert outcomes(succeeded(run(4, 1, schedule=text), 4)) == ["succeeded"]


def test_other_jobs_and_unknown_schedules_add_nothing() -> None:
    others = [succeeded(None, 1), succeeded(run(2, 1, name="other"), 2)]
    assert outcomes(*others) == []
    assert outcomes(succeeded(run(4, 1, schedule="lunar phase=full"), 4)) == ["succeeded"]
