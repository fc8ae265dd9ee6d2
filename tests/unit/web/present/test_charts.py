"""Charts have their facts in words too, and are drawn for any numbers."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgjobs.web.present.charts import (
    KINDS,
    MOST_COLUMNS,
    MOST_RUNS,
    OUTCOMES,
    Bucket,
    RunMark,
    sparkline,
    stacked_bars,
    strip,
)
from tests.unit.web.present.markup import HOSTILE, read, shown

T0 = datetime(2030, 1, 1, tzinfo=UTC)
COUNTS = st.integers(-5, 10**30)


def hours(*counts: tuple[int, ...]) -> list[Bucket]:
    return [Bucket(T0 + timedelta(hours=hour), *one) for hour, one in enumerate(counts)]


def test_bars_are_stacked_and_differ_by_more_than_colour() -> None:
    found = stacked_bars("Jobs", hours((50, 25, 20, 5)))
    bars = re.findall(r'class="bar bar-(\w+)" d="M190 ([0-9.]+)h24v([0-9.]+)', found)
    assert bars == [
        ("succeeded", "67", "55"),
        ("failed", "39.5", "27.5"),
        ("retried", "17.5", "22"),
        ("cancelled", "12", "5.5"),
    ]
    picture, _, rest = found.partition("</svg>")
    assert picture.count('class="bar-pattern"') == 2
    assert rest.count('class="bar-pattern"') == 2, "the legend shows the same shapes"


def test_the_title_and_the_table_have_the_numbers() -> None:
    found = shown(stacked_bars("Jobs", hours((1, 2, 3, 4), (20_000, 0, 0, 0))))
    assert found.startswith("JobsJobs: 20 k succeeded, 2 failed, 3 retried, 4 cancelled")
    assert found.endswith(
        "As a tableFromsucceededfailedretriedcancelled"
        "2030-01-01 00:00:00 UTC12342030-01-01 01:00:00 UTC20 k000"
    )


def test_the_axes_have_labels() -> None:
    found = stacked_bars("Jobs", hours((12_345, 0, 0, 0), (0, 0, 0, 0)))
    labels = re.findall(r'<text class="chart-label"[^>]*>([^<]*)', found)
    assert labels == ["0", "12.3 k", "2030-01-01 00:00 UTC", "2030-01-01 01:00 UTC"]


@pytest.mark.parametrize(
    "buckets", [[], hours((0, 0, 0, 0)), hours((0, 0, 0, 0), (-1, 0, 0, 0))]
)
def test_bars_of_nothing_are_marked_as_none(buckets: list[Bucket]) -> None:
    found = stacked_bars("Jobs", buckets)
    picture = found.partition("</svg>")[0]
    assert ">none</text>" in picture
    assert 'class="bar ' not in picture


def test_many_times_are_added_up() -> None:
    found = stacked_bars("Jobs", hours(*[(1, 0, 0, 0)] * 1_000))
    assert shown(found).startswith("JobsJobs: 1,000 succeeded, 0 failed")
    assert found.partition("</svg>")[0].count('class="bar ') == MOST_COLUMNS


@given(st.lists(st.tuples(*[COUNTS] * len(KINDS)), max_size=5))
def test_bars_of_any_size_stay_inside_the_picture(counts: list[tuple[int, ...]]) -> None:
    found = stacked_bars("Jobs", hours(*counts))
    read(found)
    picture = found.partition("</svg>")[0]
    for top, height in re.findall(
        r'class="bar [^"]*" d="M\S+ (\S+)h[0-9.]+v([0-9.]+)', picture
    ):
        assert 8 <= float(top) <= float(top) + float(height) <= 122.2
    assert max(map(len, re.findall(r"<text[^>]*>([^<]*)", picture))) <= 26


def test_a_year_of_minutes_has_bounded_markup() -> None:
    found = stacked_bars("Jobs", hours(*[(10**20, 10**20, 10**20, 10**20)] * 500_000))
    assert len(found) < 120_000


def test_a_sparkline_has_its_last_value_in_the_title() -> None:
    assert sparkline("waiting", [0, 10, 5]) == (
        '<svg class="sparkline" viewBox="0 0 100 24" role="img">'
        "<title>waiting: last 5, highest 10</title>"
        '<path class="spark-line" d="M3 21L50 3L97 12"/>'
        '<path class="spark-dot" d="M95 12a2 2 0 1 0 4 0a2 2 0 1 0 -4 0"/></svg>'
    )


def test_a_sparkline_of_one_value_is_a_dot() -> None:
    found = sparkline("waiting", [7])
    assert "spark-line" not in found
    assert 'd="M48 3a2' in found


def test_a_sparkline_of_nothing() -> None:
    found = sparkline("waiting", [])
    assert shown(found) == "waiting: no values"
    assert "path" not in found


@given(st.lists(COUNTS))
def test_a_sparkline_of_any_values_is_small(values: list[int]) -> None:
    found = sparkline("waiting", values * 50)
    read(found)
    assert len(found) < 2_000


def test_a_strip_has_a_shape_for_each_outcome() -> None:
    found = strip("report", [RunMark(T0, one) for one in OUTCOMES])
    assert found == (
        '<svg class="strip" viewBox="0 0 56 12" role="img"><title>report: 1 succeeded, '
        "1 failed, 1 cancelled, 1 missed; the last one missed, 2030-01-01 00:00:00 UTC</title>"
        '<path class="run run-succeeded" d="M0 0h12v12h-12z"/>'
        '<path class="mark" d="M2 6l3.2 3.2l4.8 -6.4"/>'
        '<path class="run run-failed" d="M14 0h12v12h-12z"/>'
        '<path class="mark" d="M17 3l6 6m-6 0l6 -6"/>'
        '<path class="run run-cancelled" d="M28 0h12v12h-12z"/>'
        '<path class="mark" d="M34 3v6"/>'
        '<path class="run run-missed" d="M42 0h12v12h-12z"/></svg>'
    )


def test_a_strip_has_the_last_runs() -> None:
    runs = [RunMark(T0, "failed"), *[RunMark(T0, "succeeded")] * MOST_RUNS]
    assert shown(strip("report", runs)).startswith(f"report: {MOST_RUNS} succeeded, 0 failed")
    assert shown(strip("report", [])) == "report: no runs"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_title_stays_text(text: str) -> None:
    for found in (
        stacked_bars(text, hours((1, 1, 1, 1))),
        sparkline(text, [1]),
        strip(text, [RunMark(T0, "failed")]),
        stacked_bars(text * 10_000, []),
    ):
        read(found)
        assert len(found) < 6_000
