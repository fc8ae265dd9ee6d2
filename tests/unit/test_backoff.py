"""Delays are within their bounds, for every attempt and every random number."""

from datetime import timedelta
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgjobs.backoff import (
    IMMEDIATE,
    LONGEST,
    Backoff,
    Constant,
    Custom,
    Exponential,
    as_backoff,
    delay_of,
)

ATTEMPTS = st.integers(1, 10**9)
SEEDS = st.integers(0, 2**32)
POLICIES = st.builds(
    Exponential,
    base=st.floats(0.001, 1000),
    factor=st.floats(1, 100),
    maximum=st.floats(0.001, 10**6),
)
NONE = timedelta(0)


class Highest(Random):
    """A Random that always gives the end of the interval."""

    def uniform(self, a: float, b: float) -> float:
        return b


@given(POLICIES, ATTEMPTS, SEEDS)
def test_an_exponential_delay_is_within_its_bounds(
    policy: Exponential, attempt: int, seed: int
) -> None:
    delay = policy.delay(attempt, Random(seed))
    assert NONE <= delay <= timedelta(seconds=policy.maximum)


@given(POLICIES, ATTEMPTS)
def test_the_ceiling_rises_with_the_attempt_up_to_the_maximum(
    policy: Exponential, attempt: int
) -> None:
    ceiling = policy.delay(attempt, Highest())
    assert ceiling <= policy.delay(attempt + 1, Highest())
    assert policy.delay(10**9, Highest()) <= timedelta(seconds=policy.maximum)


def test_the_ceilings_of_the_default_double_from_two_seconds_to_an_hour() -> None:
    ceilings = [Exponential().delay(attempt, Highest()) for attempt in range(1, 14)]
    expected = [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]
    assert [ceiling.total_seconds() for ceiling in ceilings] == expected


@given(SEEDS)
def test_the_jitter_comes_from_the_given_random(seed: int) -> None:
    policy = Exponential()
    first = [policy.delay(attempt, Random(seed)) for attempt in range(1, 6)]
    assert first == [policy.delay(attempt, Random(seed)) for attempt in range(1, 6)]


def test_the_jitter_fills_the_whole_interval() -> None:
    dice = Random(1)
    delays = [Exponential(base=8).delay(1, dice).total_seconds() for _ in range(10_000)]
    assert min(delays) < 0.1
    assert max(delays) > 7.9
    assert 3.8 < sum(delays) / len(delays) < 4.2


@pytest.mark.parametrize("attempt", [1024, 1025, 10**6, 10**30])
def test_a_power_too_great_for_a_float_is_the_maximum(attempt: int) -> None:
    assert Exponential().delay(attempt, Highest()) == timedelta(hours=1)


@pytest.mark.parametrize(("setting", "value"), [("base", -1), ("factor", 0.9), ("maximum", -1)])
def test_an_invalid_exponential_is_refused(setting: str, value: float) -> None:
    with pytest.raises(ValueError, match=setting):
        Exponential(**{setting: value})


def test_a_constant_is_the_same_every_time() -> None:
    assert {Constant(1.5).delay(attempt, Random()) for attempt in range(1, 10)} == {
        timedelta(seconds=1.5)
    }
    assert IMMEDIATE.delay(1, Random()) == NONE
    with pytest.raises(ValueError, match="Constant: seconds: expected 0 to"):
        Constant(-0.1)


@given(ATTEMPTS, st.floats(-(10**9), 10**9))
def test_a_delay_is_cut_to_a_year(attempt: int, seconds: float) -> None:
    delay = delay_of(Custom(lambda _: seconds), attempt, Random())
    assert NONE <= delay <= LONGEST
    if 0 <= seconds <= LONGEST.total_seconds():
        assert delay == timedelta(seconds=seconds)


def test_a_custom_policy_is_asked_for_the_attempt() -> None:
    assert Custom(lambda attempt: attempt * 10).delay(3, Random()) == timedelta(seconds=30)
    assert delay_of(Custom(lambda _: timedelta(days=-1)), 1, Random()) == NONE
    assert delay_of(Custom(lambda _: timedelta(days=999)), 1, Random()) == LONGEST


@pytest.mark.parametrize("seconds", [-1, 31_536_001, float("inf"), float("nan")])
def test_a_policy_longer_than_a_year_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError) as caught:
        Constant(seconds)
    expected = f"Constant: seconds: expected 0 to 3.1536e+07 seconds, found {seconds!r}"
    assert str(caught.value) == expected
    with pytest.raises(ValueError, match="Exponential: maximum: expected 0 to"):
        Exponential(maximum=seconds)


class Own:
    """A policy of a user."""

    def delay(self, attempt: int, random: Random) -> timedelta:
        return timedelta(seconds=attempt + random.random())


class Around:
    """Delegates to another policy, and is callable, too."""

    def __init__(self, policy: Backoff) -> None:
        self._policy = policy

    def __getattr__(self, name: str) -> Any:
        return getattr(self._policy, name)

    def __call__(self) -> None: ...


@pytest.mark.parametrize(
    "policy", [Exponential(), Constant(1), Custom(float), Own(), Around(Own())]
)
def test_a_policy_is_taken_as_it_is(policy: Backoff) -> None:
    assert as_backoff(policy) is policy


def test_a_function_becomes_a_policy() -> None:
    def squared(attempt: int) -> float:
        return attempt**2

    policy = as_backoff(squared)
    assert policy == Custom(squared)
    assert policy.delay(4, Random()) == timedelta(seconds=16)


@pytest.mark.parametrize("setting", ["base", "maximum"])
@pytest.mark.parametrize("value", ["x", None, True, [1]])
def test_a_time_of_a_policy_is_a_number(setting: str, value: Any) -> None:
    found = type(value).__name__
    with pytest.raises(TypeError) as caught:
        Exponential(**{setting: value})
    assert str(caught.value) == f"Exponential: {setting}: expected seconds, found {found}"
    with pytest.raises(TypeError) as caught:
        Constant(value)
    assert str(caught.value) == f"Constant: seconds: expected seconds, found {found}"


@pytest.mark.parametrize(
    ("factor", "kind", "text"),
    [
        ("x", TypeError, "expected a number, found str"),
        (None, TypeError, "expected a number, found NoneType"),
        (True, TypeError, "expected a number, found bool"),
        (0.5, ValueError, "expected 1 to 3.1536e+07, found 0.5"),
        (float("inf"), ValueError, "expected 1 to 3.1536e+07, found inf"),
        (float("nan"), ValueError, "expected 1 to 3.1536e+07, found nan"),
        (10**400, ValueError, f"expected 1 to 3.1536e+07, found 1{39 * '0'}..."),
    ],
)
def test_a_factor_is_a_number_from_1(factor: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as caught:
        Exponential(base=0, factor=factor)
    assert str(caught.value) == f"Exponential: factor: {text}"


@pytest.mark.parametrize("attempt", [1, 1024, 1025, 10**9, 10**400])
def test_zero_times_any_factor_is_no_wait(attempt: int) -> None:
    assert Exponential(base=0, factor=2).delay(attempt, Highest()) == NONE


def exact(policy: Exponential, attempt: int) -> Fraction:
    """Return the ceiling without a rounding on the way."""
    power = Fraction(policy.factor) ** (attempt - 1)
    return min(Fraction(policy.base) * power, Fraction(policy.maximum))


@pytest.mark.parametrize(
    ("base", "factor", "attempt"),
    [
        (5e-324, 2, 1_024),
        (5e-324, 2, 1_025),
        (5e-324, 2, 1_061),
        (5e-324, 2, 1_101),
        (1e-320, 1.5, 1_801),
        (1e-310, 10.0, 309),
        (1e-310, 10.0, 313),
        (1e-310, 10.0, 315),
        (1e-310, 31_536_000.0, 43),
        (0, 2, 2_001),
        (0.0, 31_536_000.0, 1_001),
        (7, 1, 5_001),
    ],
)
@pytest.mark.parametrize("maximum", [0, 1e-3, 3_600.0, 31_536_000])
def test_the_ceiling_is_right_beyond_the_greatest_float(
    base: float, factor: float, attempt: int, maximum: float
) -> None:
    policy = Exponential(base=base, factor=factor, maximum=maximum)
    found = policy.delay(attempt, Highest()) / timedelta(microseconds=1)
    wanted = exact(policy, attempt) * 1_000_000
    assert abs(Fraction(found) - wanted) <= 1 + wanted / 10**9


@given(
    st.floats(0, LONGEST.total_seconds()),
    st.floats(1, 1_001),
    st.integers(1, 3_001),
    st.floats(0, LONGEST.total_seconds()),
)
def test_the_ceiling_is_the_product_up_to_the_maximum(
    base: float, factor: float, attempt: int, maximum: float
) -> None:
    policy = Exponential(base=base, factor=factor, maximum=maximum)
    found = policy.delay(attempt, Highest()) / timedelta(microseconds=1)
    wanted = exact(policy, attempt) * 1_000_000
    assert abs(Fraction(found) - wanted) <= 1 + wanted / 10**9


@pytest.mark.parametrize("base", [0, 5e-324, 7])
@pytest.mark.parametrize("attempt", [10**9, 10**400])
def test_a_factor_of_one_never_grows(base: float, attempt: int) -> None:
    delay = Exponential(base=base, factor=1).delay(attempt, Highest())
    assert delay == timedelta(seconds=base)


def test_whole_numbers_do_not_grow_to_any_length() -> None:
    policy = Exponential(base=2, factor=2, maximum=60)
    assert policy.delay(10**15, Highest()) == timedelta(minutes=1)


@pytest.mark.parametrize(
    ("answer", "delay"),
    [
        (1e20, LONGEST),
        (float("inf"), LONGEST),
        (2**5000, LONGEST),
        (timedelta.max, LONGEST),
        (-1e20, NONE),
        (float("-inf"), NONE),
        (-(10**400), NONE),
        (timedelta.min, NONE),
    ],
)
def test_a_huge_answer_is_cut_to_a_year(answer: Any, delay: timedelta) -> None:
    assert delay_of(Custom(lambda _: answer), 1, Random()) == delay


def test_the_error_for_nan_names_the_backoff() -> None:
    def unsure(_: int) -> float:
        return float("nan")

    with pytest.raises(ValueError) as caught:
        delay_of(Custom(unsure), 1, Random())
    assert str(caught.value) == f"backoff {unsure.__qualname__}: expected seconds, found nan"


def test_an_answer_of_true_is_refused() -> None:
    def always(_: int) -> float:
        return True

    with pytest.raises(TypeError) as caught:
        delay_of(Custom(always), 1, Random())
    assert str(caught.value) == (
        f"backoff {always.__qualname__}: expected seconds or a timedelta, found bool"
    )
