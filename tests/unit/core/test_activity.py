"""Estimates of durations from counts."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgjobs import Activity
from bgjobs._core.activity import DURATION_BOUNDS, DURATIONS, LENGTH, activity_of
from tests.unit.core.rows import NOON


def of(durations: dict[int, int]) -> Activity:
    counts = [0] * LENGTH
    for number, count in durations.items():
        counts[DURATIONS + number] = count
    return activity_of("mail", NOON, counts)


def test_all_ends_are_counted() -> None:
    activity = activity_of("mail", NOON, [1, 20, 300, 4000, *[0] * (LENGTH - DURATIONS)])
    assert activity.ended == 4321
    assert activity.quantile(0.5) is None


@pytest.mark.parametrize(
    ("durations", "share", "seconds"),
    [
        ({0: 10}, 0.5, 0.0025),
        ({1: 10}, 0.0, 0.005),
        ({1: 10}, 1.0, 0.01),
        ({7: 4, 8: 4}, 0.5, 1.0),
        ({7: 4, 8: 4}, 0.75, 1.75),
        ({0: 99, 12: 1}, 0.99, 0.005),
        ({0: 98, 12: 2}, 0.99, 45.0),
        ({16: 1}, 0.5, 3600.0),
        ({0: 1, 16: 9}, 0.95, 3600.0),
    ],
)
def test_quantiles_lie_in_the_class_that_has_them(
    durations: dict[int, int], share: float, seconds: float
) -> None:
    found = of(durations).quantile(share)
    assert found is not None
    assert math.isclose(found, seconds)


@given(
    st.dictionaries(st.integers(0, len(DURATION_BOUNDS)), st.integers(0, 10**12), min_size=1),
    st.lists(st.floats(0, 1), min_size=2),
)
def test_quantiles_grow_with_the_share(durations: dict[int, int], shares: list[float]) -> None:
    found = [of(durations).quantile(share) for share in sorted(shares)]
    if any(durations.values()):
        assert found == sorted(found, key=lambda one: -1.0 if one is None else one)
    else:
        assert set(found) == {None}


def test_parts_are_added_up() -> None:
    first, other = (activity_of("mail", NOON, range(at, at + LENGTH)) for at in (1, 100))
    assert first.plus(other) == activity_of("mail", NOON, range(101, 101 + 2 * LENGTH, 2))
    assert first.plus() == activity_of("mail", NOON, range(1, 1 + LENGTH))


def test_a_share_is_between_0_and_1() -> None:
    with pytest.raises(ValueError, match=r"^quantile: share: expected 0 to 1, found 1\.1$"):
        of({0: 1}).quantile(1.1)
    with pytest.raises(ValueError, match=r"^quantile: share: expected a number from 0 to"):
        of({0: 1}).quantile(-0.1)
