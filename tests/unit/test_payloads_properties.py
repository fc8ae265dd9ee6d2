"""Whatever value an annotation allows comes back equal, and no row breaks the reader."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, Literal
from uuid import UUID

import attrs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bgjobs.errors import PayloadError, WorkerDefinitionError
from bgjobs.workers import worker
from tests.unit.payload_strategies import annotated_values


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@attrs.frozen
class Leaf:
    name: str
    colour: Colour
    size: int | float | None


@attrs.frozen
class Branch:
    children: "list[Leaf | Branch]"
    at: datetime
    notes: dict[str, bytes | int]


text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
floats = st.floats(allow_nan=False, allow_infinity=False)
leaves = st.builds(
    Leaf, text, st.sampled_from(Colour), st.one_of(st.integers(), floats, st.none())
)
instants = st.datetimes(timezones=st.just(UTC))
notes = st.dictionaries(text, st.binary(max_size=4) | st.integers(), max_size=3)
trees = st.recursive(
    leaves,
    lambda inner: st.builds(Branch, st.lists(inner, max_size=3), instants, notes),
    max_leaves=8,
)
SPAN = timedelta(microseconds=2**52)


@worker
def plant(tree: Leaf | Branch, /, *rest: Leaf, **named: list[Branch]) -> None: ...


@worker
def single(
    flag: bool,
    span: timedelta,
    key: UUID,
    cost: Decimal,
    pair: tuple[Literal["a", 1] | None, frozenset[int]],
) -> None: ...


@given(
    trees,
    st.lists(leaves, max_size=2),
    st.dictionaries(
        text, st.lists(st.builds(Branch, st.lists(leaves), instants, notes)), max_size=2
    ),
)
def test_nested_values_come_back(
    tree: Leaf | Branch, rest: list[Leaf], named: dict[str, list[Branch]]
) -> None:
    payload = plant.request(tree, *rest, **named).payload
    assert plant.decode(payload) == ((tree, *rest), named)


@given(
    st.booleans(),
    st.timedeltas(-SPAN, SPAN),
    st.uuids(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.tuples(st.sampled_from(["a", 1, None]), st.frozensets(st.integers())),
)
def test_single_values_come_back(
    flag: bool, span: timedelta, key: UUID, cost: Decimal, pair: Any
) -> None:
    payload = single.request(flag, span, key, cost, pair).payload
    (_, kwargs) = single.decode(payload)
    assert kwargs == {"flag": flag, "span": span, "key": key, "cost": cost, "pair": pair}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["tree", "rest", "named", "name", "colour", "size", "children", "at"]
            )
            | st.text(max_size=2),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(anything.map(json.dumps) | st.text(max_size=30))
def test_any_row_is_read_or_refused(payload: str) -> None:
    try:
        args, kwargs = plant.decode(payload)
    except PayloadError:
        pass
    else:
        plant.request(*args, **kwargs)


@given(anything, st.lists(anything, max_size=2))
def test_any_argument_is_written_or_refused(value: Any, rest: list[Any]) -> None:
    try:
        payload = plant.request(value, *rest).payload
    except PayloadError:
        pass
    else:
        assert plant.decode(payload) == ((value, *rest), {})


def is_same(given: Any, found: Any) -> bool:
    """Compare as strictly as one can: by type, by field, and zero with its sign.

    An abstract annotation takes other classes, which come back as a list or a dict.
    """
    if type(found) is list and isinstance(given, tuple):
        given = list(given)
    if type(found) is dict and isinstance(given, dict):
        given = dict(given)
    if isinstance(given, set | frozenset):
        return len(given) == len(found) and all(
            any(is_same(a, b) for b in found) for a in given
        )
    if isinstance(given, float | int) and isinstance(found, float):
        return float(found).hex() == float(given).hex() and found == given
    if isinstance(given, datetime):  # in an hour that occurs twice, zones are never equal
        return bool(given.astimezone(UTC) == found.astimezone(UTC))
    if isinstance(given, PurePath):
        return bool(given == found)
    if isinstance(given, dict | list | tuple) or _field_names(type(given)):
        return type(given) is type(found) and _has_same_parts(given, found)
    return type(given) is type(found) and bool(given == found)


def _has_same_parts(given: Any, found: Any) -> bool:
    if isinstance(given, dict):
        pairs = (
            [(given[key], found[key]) for key in given] if given.keys() == found.keys() else []
        )
        return len(pairs) == len(found) and all(is_same(*pair) for pair in pairs)
    if isinstance(given, list | tuple):
        return len(given) == len(found) and all(map(is_same, given, found))
    names = _field_names(type(given))
    return all(is_same(getattr(given, n), getattr(found, n)) for n in names)


def _field_names(kind: Any) -> list[str]:
    if attrs.has(kind):
        return [one.name for one in attrs.fields(kind)]
    return (
        [one.name for one in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else []
    )


@settings(
    max_examples=300, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
)
@given(annotated_values())
def test_a_value_comes_back_equal_or_is_refused(case: tuple[Any, Any]) -> None:
    annotation, value = case

    def handler(it: Any) -> None: ...

    handler.__annotations__ = {"it": annotation}
    try:
        made = worker(handler)
    except WorkerDefinitionError as error:
        assert "parameter 'it'" in str(error)  # noqa: PT017 - both ends are right
        return
    try:
        payload = made.request(value).payload
    except PayloadError as error:
        places = ("it:", "it.", "it[", "it keys:", "arguments:")
        assert all(problem.startswith(places) for problem in error.problems)  # noqa: PT017 - as above
        return
    [found] = made.decode(payload)[1].values()
    assert is_same(value, found)
    assert made.request(found).payload == payload
