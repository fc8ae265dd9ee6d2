"""Ids have version 7: they are sorted by the time of their creation, and are unique."""

import time
from collections.abc import Callable
from itertools import pairwise
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgjobs._core.ids import ids_between, new_id, new_ids, parsed_id, uuid_of

MANY = 100_000


def milliseconds_of(one: UUID) -> int:
    return one.int >> 80


def fraction_of(one: UUID) -> int:
    return (one.int >> 64) & 0xFFF


def test_an_id_has_the_version_and_variant_of_the_standard() -> None:
    for one in (new_id(), *new_ids(100)):
        assert one.version == 7
        assert one.variant == RFC_4122
        assert UUID(str(one)) == one


def test_ids_of_one_call_ascend_and_are_unique() -> None:
    ids = new_ids(MANY)
    assert len(set(ids)) == MANY
    assert all(earlier < later for earlier, later in pairwise(ids))
    assert all(str(earlier) < str(later) for earlier, later in pairwise(ids))


def test_ids_of_many_calls_are_unique() -> None:
    assert len({new_id() for _ in range(MANY)}) == MANY


@given(st.integers(0, 2**128 - 1))
def test_an_id_made_of_its_number_is_the_one_that_the_library_makes(number: int) -> None:
    made, expected = uuid_of(number), UUID(int=number)
    assert (made, hash(made), repr(made)) == (expected, hash(expected), repr(expected))
    assert parsed_id(str(made)) == made


def test_an_invalid_id_is_refused() -> None:
    with pytest.raises(ValueError, match="expected an id of 32 hexadecimal digits, found"):
        parsed_id("abc")
    with pytest.raises(ValueError, match="expected an id of 32 hexadecimal digits, found"):
        parsed_id("g" * 32)


def test_a_count_of_zero_makes_no_ids() -> None:
    assert new_ids(0) == []


@given(st.integers(0, 2**48 * 10**6 - 1), st.integers(1, 10**6))
def test_later_ids_are_greater_or_of_the_same_quarter_of_a_microsecond(
    nanoseconds: int, more: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: nanoseconds)
        earlier = new_id()
        patch.setattr(time, "time_ns", lambda: min(nanoseconds + more, 2**48 * 10**6 - 1))
        later = new_id()
    same_tick = earlier.int >> 64 == later.int >> 64
    assert earlier < later or same_tick


@given(st.integers(0, 2**48 * 10**6 - 1))
def test_an_id_contains_the_time_of_its_creation(nanoseconds: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: nanoseconds)
        (one,) = new_ids(1)
    assert milliseconds_of(one) == nanoseconds // 10**6
    assert fraction_of(one) == nanoseconds % 10**6 * 4096 // 10**6
    assert (one.version, one.variant) == (7, RFC_4122)


def test_an_id_is_made_between_before_and_after() -> None:
    before = time.time_ns()
    one = new_id()
    after = time.time_ns()
    assert before // 10**6 <= milliseconds_of(one) <= after // 10**6


@pytest.mark.parametrize(
    ("beginning", "first", "last"),
    [
        ("0", "00000000-0000-0000-0000-000000000000", "0fffffff-ffff-ffff-ffff-ffffffffffff"),
        (
            "019C-",
            "019c0000-0000-0000-0000-000000000000",
            "019cffff-ffff-ffff-ffff-ffffffffffff",
        ),
        (
            "019c2f0e-4b7a-7c",
            *("019c2f0e-4b7a-7c00-0000-000000000000", "019c2f0e-4b7a-7cff-ffff-ffffffffffff"),
        ),
        ("019c2f0e4b7a7c119d5e0a1b2c3d4e5f", *["019c2f0e-4b7a-7c11-9d5e-0a1b2c3d4e5f"] * 2),
    ],
)
def test_a_beginning_is_a_range_of_ids(beginning: str, first: str, last: str) -> None:
    assert ids_between(beginning) == (UUID(first), UUID(last))


@pytest.mark.parametrize("wrong", ["", "-", "x", "0" * 33, "019c 2f", "\u0660"])
def test_an_invalid_beginning_of_an_id_is_refused(wrong: str) -> None:
    with pytest.raises(
        ValueError, match="expected the first of 32 hexadecimal digits of an id"
    ):
        ids_between(wrong)


@pytest.mark.parametrize(
    "spoil",
    [
        str.upper,
        lambda text: text.replace("-", ""),
        lambda text: text.replace("-", "", 1) + "-",
        lambda text: f"{text[:-2]}_1",
        lambda text: f" {text[1:]}",
        lambda text: f"0x{text[2:]}",
        lambda text: f"{{{text}}}",
    ],
)
def test_an_id_in_another_format_is_refused(spoil: Callable[[str], str]) -> None:
    with pytest.raises(ValueError, match=r"expected an id|invalid literal"):
        parsed_id(spoil("a1900000-0000-7000-8000-00000000000f"))
