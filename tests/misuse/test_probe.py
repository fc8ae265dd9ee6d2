"""The probe finds functions without checks, and every exception matches something."""

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Literal

import anyio
import pytest
from anyio import sleep_forever

from bgjobs.testing import virtual_backend
from tests.docs.documents import SHOWN, blocks
from tests.misuse.exceptions import patterns
from tests.misuse.probe import NO_ANSWER, problems_of
from tests.misuse.public_api import MODULES, READ, all_names, callee_of, callees
from tests.misuse.values import wrong_for


class Odd:
    """A type that no annotation of the library has."""


def takes_anything(number: int) -> None: ...


def raises_another_error(number: int) -> None:
    raise AttributeError("odd")


def names_nothing(number: int) -> None:
    raise TypeError("odd")


async def never_returns(number: int) -> None:
    await sleep_forever()


def refuses(number: int) -> None:
    raise TypeError("number: expected another one")


def lacks_a_valid_value(number: int, odd: Odd) -> None: ...


def problems(function: Callable[..., Any]) -> list[str]:
    name, options = virtual_backend("trio")
    callee = callee_of(function.__name__, function, function)
    return anyio.run(problems_of, callee, backend=name, backend_options=options)


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (takes_anything, "accepted"),
        (raises_another_error, "AttributeError: odd"),
        (names_nothing, "the argument is not named: TypeError: odd"),
        (never_returns, NO_ANSWER),
    ],
)
def test_a_function_without_checks_is_found(function: Callable[..., Any], problem: str) -> None:
    assert problems(function)[0] == f"{function.__name__}(number=None): {problem}"


def test_a_function_with_checks_has_no_problems() -> None:
    assert problems(refuses) == []


def test_a_function_without_valid_arguments_is_an_error() -> None:
    with pytest.raises(LookupError, match=r"^no valid value for .*Odd'>: add one to tests/"):
        problems(lacks_a_valid_value)


@pytest.mark.parametrize(
    ("annotation", "is_wrong", "is_right"),
    [
        (int, {"True", "1.5", "nan", "a text", "10**5000"}, {"5"}),
        (float, {"True", "nan", "inf", "-inf", "a Decimal"}, {"5", "1.5"}),
        (str | None, {"5", "bytes", "a lone surrogate"}, {"a text", "None"}),
        (datetime, {"a date", "a datetime without a zone", "the last datetime, behind"}, set()),
        (Literal["text"], {"an empty text", "5"}, {"a text"}),
        (Iterable[int], {"5", "a text", "a list of a text"}, {"a list", "a list of 5"}),
        (Callable[[int], None], {"a class", "a worker", "5"}, {"a function", "a mock"}),
    ],
)
def test_values_are_sorted_into_valid_and_wrong_ones(
    annotation: Any, is_wrong: set[str], is_right: set[str]
) -> None:
    labels = {wrong.label for wrong in wrong_for(annotation)}
    assert is_wrong <= labels
    assert not is_right & labels


def test_all_modules_that_the_documents_import_are_covered() -> None:
    code = "\n".join(block.code for path in SHOWN for block in blocks(path))
    imported = re.findall(r"^(?:from|import) (bgjobs[\w.]*)", code, re.MULTILINE)
    assert "bgjobs.schedules" in imported
    assert {*imported} <= {*MODULES, *READ}


def test_each_exception_matches_a_function_or_a_call() -> None:
    known = {*all_names()}
    for callee in callees():
        for one in callee.parameters:
            calls = (f"{one.name}={wrong.label}" for wrong in wrong_for(one.annotation))
            known |= {f"{callee.name}({call})".replace(" ", "_") for call in calls}
    for pattern in patterns():
        assert any(fnmatchcase(name, pattern) for name in known), pattern
