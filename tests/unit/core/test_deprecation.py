"""Warnings of deprecated names: their text, and the line of the caller."""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import signature
from types import ModuleType
from typing import Any, Final

import anyio
import anyio.lowlevel
import pytest

from bgjobs._core.deprecation import deprecated, warn_deprecated

MESSAGE: Final = (
    "bgjobs.old is deprecated since 0.2 and will be removed in 0.4: use bgjobs.new."
)


@deprecated(MESSAGE)
def old(value: int, *, more: int = 0) -> int:
    """Return the sum."""
    return value + more


@deprecated(MESSAGE)
async def old_async(*, former: int) -> int:
    await anyio.lowlevel.checkpoint()
    return former


def with_argument(value: int, *, former: int | None = None) -> int:
    if former is not None:
        warn_deprecated(MESSAGE)
        return former
    return value


async def with_argument_async(*, former: int) -> int:
    await anyio.lowlevel.checkpoint()
    warn_deprecated(MESSAGE)
    return former


class Thing:
    @deprecated(MESSAGE)
    def method(self) -> int:
        return 1

    @property
    @deprecated(MESSAGE)
    def value(self) -> int:
        return 1

    @classmethod
    @deprecated(MESSAGE)
    def make(cls, value: int) -> int:
        return value


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    made: Any = ModuleType("a_module")

    def get(name: str) -> object:
        if name == "old":
            warn_deprecated(MESSAGE)
            return 1
        raise AttributeError(name)

    made.__getattr__ = get
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made


@contextmanager
def warned_at(function: Callable[..., object]) -> Iterator[None]:
    """Check that the block issues one warning, at the first line of the function."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    [one] = caught
    assert (one.category, str(one.message)) == (DeprecationWarning, MESSAGE)
    assert (one.filename, one.lineno) == (__file__, function.__code__.co_firstlineno)


@pytest.mark.parametrize(
    "use",
    [
        lambda: old(0, more=1),
        lambda: with_argument(0, former=1),
        lambda: Thing().method(),
        lambda: Thing().value,
        lambda: Thing.make(1),
    ],
)
def test_a_warning_is_issued_at_the_line_of_the_call(use: Callable[[], int]) -> None:
    with warned_at(use):
        assert use() == 1


@pytest.mark.anyio
@pytest.mark.parametrize("function", [old_async, with_argument_async])
async def test_a_warning_is_issued_at_the_line_that_awaits(function: Any) -> None:
    async def use() -> Any: return await function(former=1)  # fmt: skip

    with warned_at(use):
        assert await use() == 1


@pytest.mark.anyio
async def test_a_task_of_a_decorated_function_is_reported_where_the_call_is() -> None:
    use: Any = lambda: old_async(former=1)  # noqa: E731  # its first line is the call
    with warned_at(use):
        assert await use() == 1


def test_a_warning_is_issued_at_the_line_that_reads_an_attribute_of_a_module(
    module: Any,
) -> None:
    use: Any = lambda: module.old  # noqa: E731  # its first line is the use
    with warned_at(use):
        assert use() == 1
    with pytest.raises(AttributeError, match="other"):
        _ = module.other


@pytest.mark.usefixtures("module")
def test_a_warning_is_issued_at_the_line_that_imports_a_name() -> None:
    program = compile("from a_module import old", "a_program.py", "exec")
    with pytest.warns(DeprecationWarning, match="use bgjobs") as caught:
        exec(program, names := dict[str, object]())
    assert {(one.filename, one.lineno) for one in caught} == {("a_program.py", 1)}
    assert names["old"] == 1


def test_a_call_without_the_argument_warns_of_nothing() -> None:
    assert with_argument(1) == 1


def test_a_decorated_function_keeps_its_name_and_signature() -> None:
    assert old.__name__ == "old"
    assert old.__doc__ == "Return the sum."
    assert str(signature(old)) == "(value: int, *, more: int = 0) -> int"
