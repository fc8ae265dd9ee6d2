"""The life of a job as a picture and as a table."""

import re
from typing import Any
from uuid import UUID

import pytest

import bgjobs
from bgjobs.web.present.life import Life, life
from bgjobs.web.present.life_chart import (
    FIRST_ROWS,
    LAST_ROWS,
    life_figure,
    life_picture,
    life_table,
)
from tests.unit.web.present.lives import SHARED, at, error_of, failed, reservation
from tests.unit.web.present.markup import HOSTILE, read, shown


def of(job: bgjobs.AnyJob, now: float = 10**9) -> Life:
    return life(job, bgjobs.timeline(job), at(now))


def test_a_picture_of_one_attempt() -> None:
    job = bgjobs.SucceededJob(
        **SHARED, reserved_at=at(1), reserved_by=UUID(int=2), succeeded_at=at(2)
    )
    assert life_picture(of(job)) == (
        '<svg class="life-picture" viewBox="0 0 360 44" role="img">'
        "<title>Life of the job: 1 attempt in 2 s, then succeeded 2030-01-01 00:00:02 UTC"
        '</title><text class="chart-label" x="0" y="10" text-anchor="start">'
        "waited 1 s · attempt 1 succeeded 1 s</text>"
        '<path class="life-waited" d="M0 18h173v2h-173z"/>'
        '<path class="bar bar-succeeded" d="M173 14h173v10h-173z"/>'
        '<path class="mark" d="M348 19l3.2 3.2l4.8 -6.4"/>'
        '<text class="chart-label" x="0" y="41" text-anchor="start">'
        "succeeded 2030-01-01 00:00:02 UTC</text></svg>"
    )


def test_the_table_has_the_facts_of_the_picture() -> None:
    found = of(failed(reservation(1, 1, 3), end=3))
    assert shown(life_table(found)) == (
        "WhatFromDurationWhereDetails"
        "waited2030-01-01 00:00:00 UTC1 s"
        "attempt 1 failed2030-01-01 00:00:01 UTC2 smain host:1ValueError: x"
        "failed for good2030-01-01 00:00:03 UTC"
    )


def test_a_running_attempt_lasts_so_far() -> None:
    job = bgjobs.Job(**SHARED, reserved_at=at(1), reserved_by=UUID(int=2), state="running")
    assert "attempt 1 running2030-01-01 00:00:01 UTC9 s so far" in shown(
        life_table(of(job, 10))
    )


def test_a_job_that_is_due_later_has_its_time() -> None:
    job = bgjobs.Job(**{**SHARED, "available_at": at(60)}, state="delayed")
    found = shown(life_figure(of(job, 10)))
    assert "0 attempts in 1 min, then due 2030-01-01 00:01:00 UTC" in found
    assert found.endswith("due2030-01-01 00:01:00 UTC")


def test_who_cancelled_is_named() -> None:
    job = bgjobs.CancelledJob(
        **SHARED, reason="<too late>", cancelled_by="ada", cancelled_at=at(5)
    )
    assert shown(life_table(of(job))).endswith("00:00:05 UTC<too late> by ada")


def test_an_attempt_beside_a_pause_of_days_can_be_seen() -> None:
    day = 86_400
    found = of(
        failed(reservation(1, 1, 2), reservation(2, 9 * day, 9 * day + 1), end=9 * day + 1)
    )
    assert "Widths are not to scale" in life_figure(found)
    widths = re.findall(
        r'class="bar bar-failed" d="M[0-9.]+ [0-9.]+h([0-9.]+)', life_figure(found)
    )
    assert len(widths) == 2
    assert all(float(width) > 20 for width in widths)


def test_short_spans_without_pauses_are_to_scale() -> None:
    found = life_figure(of(failed(reservation(1, 1, 2), reservation(2, 3, 4), end=4)))
    assert 'class="note"' not in found


def test_times_that_run_backwards_are_remarked() -> None:
    found = life_figure(of(failed(reservation(1, 10, 4), end=3)))
    assert shown(found).count("The clocks of several machines differ") == 1


def test_of_a_hundred_attempts_some_are_drawn_and_all_are_in_the_table() -> None:
    past = [reservation(one, one * 1_000, one * 1_000 + 1) for one in range(1, 101)]
    found = of(failed(*past, end=100_001))
    picture, table = life_picture(found), life_table(found)
    assert picture.count('class="bar ') == FIRST_ROWS + LAST_ROWS
    assert "Not drawn: 80 attempts in the middle" in picture
    assert table.count("<td>attempt ") == 100
    assert float(read_height(picture)) == 30 * (FIRST_ROWS + LAST_ROWS) + 28


def read_height(picture: str) -> str:
    found = re.search(r'viewBox="0 0 360 ([0-9.]+)"', picture)
    assert found is not None
    return found[1]


def test_bars_stay_inside_the_picture() -> None:
    past = [reservation(one, one * 1_000, one * 1_000 + 1) for one in range(1, 101)]
    picture = life_picture(of(failed(*past, end=100_001)))
    for start, width in re.findall(
        r'class="(?:bar|life)[^"]*" d="M([0-9.]+) [0-9.]+h([0-9.]+)', picture
    ):
        assert 0 <= float(start) <= float(start) + float(width) <= 352


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_stays_text(text: str) -> None:
    one = reservation(1, 1, 2, queue=text, node=text)
    end = bgjobs.PastEnd(
        state="failed", at=at(5), text=text, retried_at=at(6), retried_by=text, by=text
    )
    errors: dict[str, Any] = {"errors": (error_of(one, text),), "error": text}
    read(life_figure(of(failed(one, end, end=9, **errors))))


def test_texts_of_a_megabyte_have_bounded_markup() -> None:
    text = "<\u202e" * 500_000
    past = [reservation(one, one, one + 1, queue=text, node=text) for one in range(1, 101)]
    found = life_figure(of(failed(*past, end=200, error=text)))
    read(found)
    assert len(found) < 1_500_000
