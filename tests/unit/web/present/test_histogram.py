"""A histogram shows how long runs took, in the classes that are counted, and percentiles."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgjobs import Activity
from bgjobs._core.activity import DURATION_BOUNDS
from bgjobs.web.present.histogram import histogram
from tests.unit.web.present.markup import HOSTILE, read, shown

T0 = datetime(2030, 1, 1, tzinfo=UTC)
CLASSES = len(DURATION_BOUNDS) + 1


def of(*durations: int) -> Activity:
    """Return runs with these durations in the first classes."""
    filled = (*durations, *[0] * (CLASSES - len(durations)))
    return Activity("mail", T0, sum(durations), 0, 0, 0, filled)


def test_the_percentiles_are_in_the_title_the_picture_and_the_table() -> None:
    found = histogram("Durations", of(0, 0, 60, 40))
    assert shown(found).startswith("DurationsDurations: p50 22.5 ms, p95 46.8 ms, p99 49.3 ms")
    marks = re.findall(r'class="percentile percentile-(\d+)" d="M([0-9.]+)', found)
    assert marks == [("50", "95.7"), ("95", "114.7"), ("99", "116.5")]
    table = "DurationRunsp5022.5 msp9546.8 msp9949.3 ms10 ms to 25 ms6025 ms to 50 ms40"
    assert table in shown(found)


def test_a_class_is_a_bar_as_high_as_its_count() -> None:
    found = histogram("d", of(4, 2, 0, 1))
    bars = re.findall(r'class="bar bar-count" d="M([0-9.]+) [0-9.]+h[0-9.]+v([0-9.]+)', found)
    assert bars == [("44", "100"), ("62.2", "50"), ("98.7", "25")]


def test_runs_above_all_bounds_are_at_the_last_one() -> None:
    found = histogram("d", of(*[0] * (CLASSES - 1), 3))
    assert shown(found).startswith("dd: p50 1 h, p95 1 h, p99 1 h")
    assert "more than 1 h3" in shown(found)


def test_a_histogram_of_no_runs_is_marked_as_none() -> None:
    found = histogram("d", of())
    assert shown(found).startswith("dd: no runs0none")
    assert 'class="bar ' not in found


@given(st.lists(st.integers(0, 10**30), min_size=CLASSES, max_size=CLASSES))
def test_any_counts_have_a_picture_of_bounded_size(counts: list[int]) -> None:
    found = histogram("d", of(*counts))
    read(found)
    assert len(found) < 9_000


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_title_stays_text(text: str) -> None:
    read(histogram(text * 1_000, of(1)))
