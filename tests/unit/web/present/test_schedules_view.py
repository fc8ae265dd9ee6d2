"""Schedules in words, with their next runs."""

from datetime import UTC, datetime

from bgjobs.schedules import every, from_cron
from bgjobs.web.present.schedules_view import NextRun, ScheduleWords, schedule_words


def test_runs_are_in_the_zone_of_the_schedule_with_remarks_on_its_clocks() -> None:
    start = datetime(2030, 3, 30, tzinfo=UTC)
    assert schedule_words(from_cron("30 2 * * *", "Europe/Paris"), start, 2) == ScheduleWords(
        words="at 02:30 every day (Europe/Paris)",
        zone="Europe/Paris",
        text="fixed second=0 minute=30 hour=2 zone=Europe/Paris",
        runs=[
            NextRun(datetime(2030, 3, 30, 1, 30, tzinfo=UTC), "Sat 2030-03-30 02:30 CET", ""),
            NextRun(
                datetime(2030, 3, 31, 1, tzinfo=UTC),
                "Sun 2030-03-31 03:00 CEST",
                "02:30 does not exist: moved to 03:00",
            ),
        ],
        counts_from_end=False,
    )


def test_ten_runs_are_shown() -> None:
    found = schedule_words(from_cron("* * * * *"), datetime(2030, 1, 1, tzinfo=UTC))
    assert len(found.runs) == 10


def test_an_interval_counts_from_the_end_of_the_last_run() -> None:
    start = datetime(2030, 1, 1, tzinfo=UTC)
    assert schedule_words(every(minutes=5), start).counts_from_end
    assert schedule_words(every(minutes=5) | from_cron("0 0 * * *"), start).counts_from_end


def test_a_schedule_that_ends_with_the_calendar_has_fewer_runs() -> None:
    found = schedule_words(every(days=1), datetime(9999, 12, 30, tzinfo=UTC))
    assert [run.at.day for run in found.runs] == [31]
