# ruff: noqa: E501 - a table reads by its rows
"""The signature of a handler: its annotations, its context, and every kind of parameter."""

import collections.abc
import dataclasses
import enum
import typing
from collections.abc import Callable
from types import FunctionType
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    Optional,
    TypedDict,
    TypeVar,
    Union,
)

import attrs
import pytest

import bgjobs
from bgjobs._core.context import JobContext
from bgjobs._core.workers import Worker, worker
from bgjobs.errors import WorkerDefinitionError
from tests.unit.core.payloads.helpers import problems_of, refusal_of

if typing.TYPE_CHECKING:
    from nowhere import Missing  # type: ignore[import-not-found]  # the point

T = TypeVar("T")


class Plain: ...


class Shade(enum.Enum):
    LIGHT = 0.5


class Empty(enum.Enum): ...


@attrs.frozen
class Holder:
    good: int
    bad: list[Plain]
    worse: "Missing"


@attrs.frozen
class Nested:
    items: list[dict[str, Plain]]


@attrs.define
class Bare:
    it = attrs.field()  # type: ignore[var-annotated]  # the point


@attrs.frozen
class Box(Generic[T]):
    item: T


@dataclasses.dataclass
class WithInit:
    made: int
    seed: dataclasses.InitVar[int]


class OwnInit:
    __attrs_attrs__ = ()


@attrs.define(init=False)
class Handmade:
    size: int

    def __init__(self, width: int) -> None:
        self.size = width


@attrs.frozen
class One:
    a: int


@attrs.frozen
class Same:
    a: int


@attrs.frozen
class Half:
    kind: Literal["a", "b"]


@attrs.frozen
class Other:
    kind: Literal["b", "c"]


class Row(NamedTuple):
    x: int


class Dict(TypedDict):
    x: Plain


HERE = __name__
JSON = "expected a type that can be stored as JSON, found "
BOTH = "expected union members that differ in JSON, found two that are both written as "
BARE = "expected the types of its items, found bare "


@pytest.mark.parametrize(
    ("annotation", "problem"),
    [
        (collections.abc.Callable[[], None], f": {JSON}collections.abc.Callable[[], None]"),
        (Any, f": {JSON}Any"),
        (object, f": {JSON}object"),
        (complex, f": {JSON}complex"),
        (Plain, f": {JSON}{HERE}.Plain"),
        (T, f": {JSON}~T"),
        (type[int], f": {JSON}type[int]"),
        (list[Plain], f", at it[]: {JSON}{HERE}.Plain"),
        (list, f": {BARE}list"),
        (typing.List, f": {BARE}List"),  # noqa: UP006 - the old spelling
        (dict, f": {BARE}dict"),
        (tuple, f": {BARE}tuple"),
        (typing.Tuple, f": {BARE}Tuple"),  # noqa: UP006 - the old spelling
        (tuple[int, Plain], f", at it[1]: {JSON}{HERE}.Plain"),
        (tuple[Plain, ...], f", at it[]: {JSON}{HERE}.Plain"),
        (dict[int, str], ", at it keys: expected a type written as a string, found int"),
        (dict[str | int, str], ", at it keys: expected a type written as a string, found str | int"),
        (dict[str, list[Plain]], f", at it[][]: {JSON}{HERE}.Plain"),
        (int | Plain, f": {JSON}{HERE}.Plain"),
        (str | bytes, f": {BOTH}string"),
        (list[int] | tuple[int, int], f": {BOTH}array"),
        (dict[str, int] | One, f": {BOTH}object"),
        (One | Row, f": {BOTH}object"),
        (One | Same, ": expected classes with a required field or a Literal of their own, found One, Same"),
        (Half | Other, ": expected classes with a required field or a Literal of their own, found Half, Other"),
        (Box[int] | Box[str], ": expected classes that differ, found one class twice"),
        (Literal[b"a"], ": expected a Literal of None, bool, int or str, found bytes"),
        (Shade, ": expected an Enum of str or int values, found LIGHT with another value"),
        (Empty, ": expected an Enum of str or int values, found no member"),
        (Nested, f", at it.items[][]: {JSON}{HERE}.Plain"),
        (Dict, f", at it.x: {JSON}{HERE}.Plain"),
        (Bare, ", at it.it: expected an annotation, found none"),
        (Box, f", at it.item: {JSON}~T"),
        (Box[Plain], f", at it.item: {JSON}{HERE}.Plain"),
        (WithInit, f": {HERE}.WithInit cannot be stored: its constructor requires 'seed', which is not a field"),
        (Handmade, f": {HERE}.Handmade cannot be stored: its constructor does not accept the field 'size'"),
        (Holder, f": {HERE}.Holder cannot be stored: its annotations cannot be resolved: name 'Missing' is not defined"),
        ("Missing", f": {JSON}an unresolved name 'Missing'"),
        ("list[Missing]", f": {JSON}an unresolved name 'list[Missing]'"),
        ("not a name", f": {JSON}an unresolved name 'unreadable'"),
    ],
)  # fmt: skip
def test_refused_annotations(annotation: Any, problem: str) -> None:
    assert refusal_of(annotation) == f"parameter 'it'{problem}"


def test_all_problems_of_a_signature_at_once() -> None:
    def digest(  # type: ignore[no-untyped-def]  # the point
        callback: collections.abc.Callable[[], None],
        nameless,  # noqa: ANN001 - the point
        fine: int,
        ctx: JobContext,
        *rest: Plain,
        **more: list[Any],
    ) -> None: ...

    with pytest.raises(WorkerDefinitionError) as caught:
        worker(digest)
    assert str(caught.value) == "worker 'digest': " + "; ".join([
        f"parameter 'callback': {JSON}collections.abc.Callable[[], None]",
        "parameter 'nameless': expected an annotation, found none",
        "parameter 'ctx': JobContext is passed to the first parameter only; move it there",
        f"parameter 'rest': {JSON}{HERE}.Plain",
        f"parameter 'more', at more[]: {JSON}Any",
    ])  # fmt: skip


def test_an_unbound_method_is_refused() -> None:
    class Service:
        def run(self, size: int) -> None: ...

    with pytest.raises(WorkerDefinitionError, match="parameter 'self': expected an annotation"):
        worker(Service.run)


def in_words(ctx: "JobContext", size: "int") -> None: ...


def dotted(ctx: "nowhere.JobContext", size: "list[int]") -> None: ...  # type: ignore[name-defined]  # noqa: F821 - imported for type checkers only


def positional(ctx: JobContext, /, **sizes: int) -> None: ...


@pytest.mark.parametrize("handler", [in_words, dotted, positional])
def test_the_context_is_found_by_its_annotation(handler: Any) -> None:
    made: Worker[..., object] = worker(handler)
    assert made.takes_context


def test_the_return_annotation_does_not_matter() -> None:
    def handler(size: int) -> "Missing": ...

    assert worker(handler).request(1).payload == '{"size":1}'


Named = NewType("Named", JobContext)

INSIDE = (
    "JobContext cannot be stored; annotate the first parameter with JobContext alone, or with "
    "JobContext | None"
)
ELSEWHERE = "JobContext is passed to the first parameter only; move it there"


@attrs.frozen
class ContextHolder:
    context: JobContext


def handler_of(annotation: Any, names: dict[str, Any]) -> Callable[..., None]:
    """Return a function with this annotation in a module with these names."""

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
def test_a_context_is_found_by_name_without_its_import(
    text: str, names: dict[str, Any]
) -> None:
    assert worker(handler_of(text, names)).takes_context


@pytest.mark.parametrize("text", ["JobContext | int", "JobContext | Missing", "Missing", "a b"])
def test_other_names_are_refused_without_their_import(text: str) -> None:
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
        (ContextHolder, f"parameter 'context', at context.context: {INSIDE}"),
    ],
)
def test_a_context_inside_an_argument_is_refused(annotation: Any, problem: str) -> None:
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


def test_a_context_may_have_a_default() -> None:
    def handler(context: JobContext | None = None, n: int = 1) -> None: ...

    made = worker(handler)
    assert made.takes_context
    assert made.request(3).payload == '{"n":3}'
    assert made.request().payload == "{}"


def test_every_kind_of_parameter() -> None:
    def handler(
        a: int, b: int = 2, /, c: int = 3, *more: str, d: int, **rest: float
    ) -> None: ...

    one = worker(handler)
    for args, kwargs, payload in [
        ((1,), {"d": 4}, '{"a":1,"d":4}'),
        ((1, 5), {"d": 4, "c": 6}, '{"a":1,"b":5,"c":6,"d":4}'),
        ((1, 2, 3, "x", "y"), {"d": 4, "e": 1.0}, '{"a":1,"b":2,"c":3,"more":["x","y"],"d":4,"rest":{"e":1.0}}'),
        ((1,), {"d": 4, "a": 2.0}, '{"a":1,"d":4,"rest":{"a":2.0}}'),
    ]:  # fmt: skip
        assert one.request(*args, **kwargs).payload == payload  # type: ignore[arg-type]  # a table
        again = one.decode(payload)
        assert one.request(*again[0], **again[1]).payload == payload
        one(*again[0], **again[1])
    expected = [
        "more[1]: expected str, found int",
        "d: expected int, found str",
        "rest['e']: expected float, found str",
    ]
    assert problems_of(one.request, 1, 2, 3, "x", 5, d="a", e="b") == expected
    args, kwargs = one.decode('{"a":1,"more":["x"],"d":4}')
    assert (args, kwargs) == ((1, 2, 3, "x"), {"d": 4})


def test_an_omitted_argument_takes_the_default_at_run_time() -> None:
    def first(size: int = 1) -> int:
        return size

    def second(size: int = 2) -> int:
        return size

    payload = worker(name="w")(first).request().payload
    args, kwargs = worker(name="w")(second).decode(payload)
    assert payload == "{}"
    assert second(*args, **kwargs) == 2
