"""The results of handlers as JSON text: annotations, values, limits and errors."""

import json
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, Optional
from uuid import UUID

import pytest
from attrs import field, frozen

from bgjobs._core.context import JobContext
from bgjobs._core.payloads.results import ResultCodec
from bgjobs._core.workers import Worker, worker
from bgjobs.errors import ResultError, WorkerDefinitionError


@frozen
class Line:
    text: str
    count: int = 1


@frozen
class Login:
    name: str
    password: str = field(repr=False)


def codec(annotation: Any) -> ResultCodec:
    def handler() -> None: ...

    handler.__annotations__["return"] = annotation
    return ResultCodec("total", handler)


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [
        (int, 5, "5"),
        (None, None, "null"),
        (str, 'ünï "x"', '"ünï \\"x\\""'),
        (Optional[int], None, "null"),  # noqa: UP045 - user code has it
        ("list[Line]", [Line("a"), Line("b", 2)], None),
        (dict[str, float], {"a": 1.5}, '{"a":1.5}'),
        (tuple[int, str], (1, "x"), '[1,"x"]'),
        (datetime, datetime(2030, 1, 1, tzinfo=UTC), None),
        (UUID, UUID(int=5), None),
        (Sequence[int], [1, 2], "[1,2]"),
    ],
)
def test_a_result_is_read_back_equal(annotation: Any, value: Any, text: str | None) -> None:
    made = codec(annotation)
    stored = made.encode(value)
    assert text is None or stored == text
    json.loads(stored)
    assert made.decode(stored) == value


def test_the_result_of_an_async_function_is_what_it_returns_awaited() -> None:
    @worker(keep_result=True)
    async def handler() -> int:
        return 1

    assert handler.results is not None
    assert handler.results.encode(1) == "1"


@pytest.mark.parametrize("kind", [Coroutine[Any, Any, int], Awaitable[int]])
def test_a_plain_function_may_return_an_awaitable(kind: Any) -> None:
    assert codec(kind).encode(1) == "1"


@pytest.mark.parametrize(
    ("annotation", "problem"),
    [
        (object, "result: expected a type that can be stored as JSON, found object"),
        (Any, "result: expected a type that can be stored as JSON, found Any"),
        (list, "result: expected the types of its items, found bare list"),
        (dict[int, int], "result keys: expected a type written as a string, found int"),
        (JobContext, "result: JobContext cannot be stored"),
        ("Decimal", "result: expected a type that can be stored as JSON, found"),
        ("1 +", "result: expected a type that can be stored as JSON, found"),
        (Callable[[], int], "result: expected a type that can be stored as JSON, found"),
    ],
)
def test_a_type_that_json_cannot_carry_is_refused_at_declaration(
    annotation: Any, problem: str
) -> None:
    with pytest.raises(WorkerDefinitionError) as caught:
        codec(annotation)
    assert str(caught.value).startswith(f"worker 'total': {problem}")


def test_a_result_needs_an_annotation() -> None:
    def handler() -> int:
        return 1

    del handler.__annotations__["return"]
    with pytest.raises(WorkerDefinitionError) as caught:
        worker(keep_result=True)(handler)
    expected = "worker 'handler': keep_result: expected a return annotation, found none"
    assert str(caught.value) == expected


def test_without_results_the_return_annotation_may_be_anything() -> None:
    @worker
    async def handler() -> object:
        return object()

    made: Worker[[], object] = handler
    assert made.results is None


@pytest.mark.parametrize(
    ("annotation", "value", "problem"),
    [
        (int, "5", "result: expected int, found str"),
        (int, None, "result: expected int, found None"),
        (list[int], [1, "x"], "result[1]: expected int, found str"),
        ("list[Line]", [Line("a", "b")], "result[0].count: expected int, found str"),  # type: ignore[arg-type]  # wrong on purpose
        (dict[str, int], {"a": 1.5}, "result['a']: expected int, found float"),
        (str, "a\0b", "result: found a NUL character, which a database cannot store"),
        (str, "\ud800", "result: found a lone surrogate, which UTF-8 cannot encode"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_path(
    annotation: Any, value: Any, problem: str
) -> None:
    with pytest.raises(ResultError) as caught:
        codec(annotation).encode(value)
    assert str(caught.value) == f"worker 'total': {problem}"


def test_a_result_is_at_most_as_large_as_a_payload() -> None:
    made = codec(str)
    envelope = len('{"result":""}')
    assert len(made.encode("x" * (1_048_576 - envelope))) == 1_048_576 - envelope + 2
    with pytest.raises(ResultError) as caught:
        made.encode("x" * 1_048_576)
    expected = "worker 'total': expected at most 1,048,576 bytes of JSON, found 1,048,589"
    assert str(caught.value) == expected


def test_errors_quote_no_hidden_fields() -> None:
    with pytest.raises(ResultError) as caught:
        codec(Login).encode(Login("ada", ["secret"]))  # type: ignore[arg-type]  # wrong on purpose
    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None
    with pytest.raises(ResultError) as caught:
        codec(Login).decode('{"name":"ada","password":["secret"]}')
    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("text", ["", "{", "5", '"x","result":"y"', '"a"}', "NaN"])
def test_a_stored_text_that_does_not_fit_is_refused(text: str) -> None:
    with pytest.raises(ResultError, match="worker 'total': "):
        codec(str).decode(text)
