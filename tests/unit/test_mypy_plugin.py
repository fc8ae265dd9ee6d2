"""The plugin for mypy evaluates expressions of literals, within limits."""

from functools import reduce
from typing import Any

import pytest
from mypy.nodes import Expression, FloatExpr, IntExpr, OpExpr, StrExpr, UnaryExpr

from bgjobs.mypy_plugin import _folded  # pyright: ignore[reportPrivateUsage] - no mypy is run

TYPES: dict[type, Any] = {int: IntExpr, float: FloatExpr, str: StrExpr}


def op(operator: str, *operands: Any) -> OpExpr:
    """Return the expression ``((first op second) op third) ...``."""
    parts = [one if isinstance(one, Expression) else TYPES[type(one)](one) for one in operands]
    found = reduce(lambda left, right: OpExpr(operator, left, right), parts)
    assert isinstance(found, OpExpr)
    return found


@pytest.mark.parametrize(
    "expression",
    [
        op("**", 2, op("**", 2, 33)),
        op("**", 2, 100_000),
        op("**", 10, op("**", 10, 10)),
        op("**", -10, op("**", 10, 10)),
        op("<<", 1, op("**", 10, 9)),
        op("<<", 1, 10**9),
        op("*", *[10**1_000] * 49),
        op("*", "ab", 10**9),
        op("*", 10**12, "ab"),
        op("*", "ab", op("<<", 1, 40)),
        UnaryExpr("-", op("**", 2, op("**", 2, 33))),
        op("+", op("**", 2, op("**", 2, 33)), 1),
    ],
)
def test_a_huge_value_is_not_evaluated(expression: Expression) -> None:
    assert _folded(expression) is None


@pytest.mark.parametrize(
    "expression",
    [
        op("+", 10**400, 1.0),
        op("/", 10**400, 3),
        op("**", 1e300, 2),
        op("**", 2.0, 10**400),
        op("/", 1, 0),
        op("%", 1, 0),
        op("**", 2, -1),
        op("<<", 1, -1),
        op("-", "a", 1),
    ],
)
def test_an_expression_without_a_value_is_unknown(expression: Expression) -> None:
    assert _folded(expression) is None


def test_operators_may_be_nested_deeply() -> None:
    assert _folded(op("+", *[1] * 40)) == 40
    assert _folded(op("+", *[1] * 100_000)) is None
    negated: Expression = IntExpr(1)
    for _ in range(100_000):
        negated = UnaryExpr("-", negated)
    assert _folded(negated) is None


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (op("*", 60, 60, 24), 86_400),
        (op("**", 2, 10), 1_024),
        (op("<<", 1, 10), 1_024),
        (op("+", "Europe/", "Paris"), "Europe/Paris"),
        (op("*", "* ", 5), "* * * * * "),
        (op("/", 1, 4), 0.25),
        (UnaryExpr("-", IntExpr(5)), -5),
    ],
)
def test_a_small_value_is_evaluated(expression: Expression, value: object) -> None:
    assert _folded(expression) == value
