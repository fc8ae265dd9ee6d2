"""The context is never data: a first parameter is a context, or the worker is refused."""

import typing
from collections.abc import Callable
from types import FunctionType
from typing import Annotated, Any, NewType, Optional, Union

import attrs
import pytest

import bgjobs
from bgjobs import JobContext
from bgjobs.errors import WorkerDefinitionError
from bgjobs.workers import worker

Named = NewType("Named", JobContext)

INSIDE = (
    "JobContext cannot be stored; annotate the first parameter with JobContext alone, or with "
    "JobContext | None"
)
ELSEWHERE = "JobContext is passed to the first parameter only; move it there"


@attrs.frozen
class Holder:
    context: JobContext


def handler_of(annotation: Any, names: dict[str, Any]) -> Callable[..., None]:
    """Make a function with this annotation, in a module that knows these names."""

    def handler(context: Any, n: int) -> None: ...

    made = FunctionType(handler.__code__, names, "handler")
    made.__annotations__ = {"context": annotation, "n": int}
    return made


@pytest.mark.parametrize(
    "annotation",
    [
        JobContext,
        JobContext | None,
        None | JobContext,
        Optional[JobContext],  # noqa: UP045 - the old spelling
        Union[None, JobContext],  # noqa: UP007 - the old spelling
        Annotated[JobContext, "mine"],
        Annotated[JobContext | None, "mine"],
        Annotated[JobContext, "mine"] | None,
    ],
)
def test_a_first_parameter_that_may_be_none_is_a_context(annotation: Any) -> None:
    made = worker(handler_of(annotation, {}))
    assert made.takes_context
    assert made.request(3).payload == '{"n":3}'
    assert made.decode('{"n":3}') == ((), {"n": 3})


@pytest.mark.parametrize(
    "names", [{}, vars(typing) | {"JobContext": JobContext, "bgjobs": bgjobs}]
)
@pytest.mark.parametrize(
    "text",
    [
        "JobContext",
        "bgjobs.JobContext",
        "JobContext | None",
        "None | bgjobs.JobContext",
        "Optional[JobContext]",
        "Optional['JobContext']",
        "'JobContext | None'",
        "Union[JobContext, None]",
        "Annotated[JobContext, 'mine']",
        " JobContext ",
    ],
)
def test_a_context_is_known_by_its_name_where_it_is_not_imported(
    text: str, names: dict[str, Any]
) -> None:
    assert worker(handler_of(text, names)).takes_context


@pytest.mark.parametrize("text", ["JobContext | int", "JobContext | Missing", "Missing", "a b"])
def test_what_only_resembles_a_context_is_refused_where_it_is_not_imported(text: str) -> None:
    with pytest.raises(WorkerDefinitionError, match="parameter 'context': expected a type"):
        worker(handler_of(text, {}))


@pytest.mark.parametrize(
    ("annotation", "problem"),
    [
        (JobContext | int, f"parameter 'context': {INSIDE}"),
        (JobContext | int | None, f"parameter 'context': {INSIDE}"),
        (Named, f"parameter 'context': {INSIDE}"),
        (list[JobContext], f"parameter 'context', at context[]: {INSIDE}"),
        (dict[str, JobContext | None], f"parameter 'context', at context[]: {INSIDE}"),
        (Holder, f"parameter 'context', at context.context: {INSIDE}"),
    ],
)
def test_a_context_inside_of_data_is_refused(annotation: Any, problem: str) -> None:
    with pytest.raises(WorkerDefinitionError) as caught:
        worker(handler_of(annotation, {}))
    assert str(caught.value) == f"worker 'handler': {problem}"


def second(n: int, context: JobContext | None = None) -> None: ...


def by_name(*, context: JobContext | None = None) -> None: ...


def several(*context: JobContext) -> None: ...


def named(**context: JobContext) -> None: ...


@pytest.mark.parametrize("handler", [second, by_name, several, named])
def test_a_context_elsewhere_is_refused(handler: Callable[..., None]) -> None:
    with pytest.raises(WorkerDefinitionError) as caught:
        worker(handler)
    assert str(caught.value) == f"worker {handler.__name__!r}: parameter 'context': {ELSEWHERE}"


def test_a_context_with_a_default_is_given_all_the_same() -> None:
    def handler(context: JobContext | None = None, n: int = 1) -> None: ...

    made = worker(handler)
    assert made.takes_context
    assert made.request(3).payload == '{"n":3}'
    assert made.request().payload == "{}"
