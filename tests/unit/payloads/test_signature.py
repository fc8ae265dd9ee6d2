# ruff: noqa: E501 - a table reads by its rows
"""Annotations that a worker cannot have, refused when it is declared."""

import collections.abc
import dataclasses
import enum
import typing
from typing import Any, Generic, Literal, NamedTuple, TypedDict, TypeVar

import attrs
import pytest

from bgjobs.context import JobContext
from bgjobs.errors import WorkerDefinitionError
from bgjobs.workers import Worker, worker

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
    def handler(it: Any) -> None: ...

    handler.__annotations__ = {"it": annotation}
    with pytest.raises(WorkerDefinitionError) as caught:
        worker(name="w")(handler)
    assert str(caught.value) == f"worker 'w': parameter 'it'{problem}"


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


def test_a_method_without_its_object_is_refused() -> None:
    class Service:
        def run(self, size: int) -> None: ...

    with pytest.raises(WorkerDefinitionError, match="parameter 'self': expected an annotation"):
        worker(Service.run)


def in_words(ctx: "JobContext", size: "int") -> None: ...


def dotted(ctx: "nowhere.JobContext", size: "list[int]") -> None: ...  # type: ignore[name-defined]  # noqa: F821 - imported for type checkers only


def positional(ctx: JobContext, /, **sizes: int) -> None: ...


@pytest.mark.parametrize("handler", [in_words, dotted, positional])
def test_the_context_is_known_by_its_annotation(handler: Any) -> None:
    made: Worker[..., None] = worker(handler)
    assert made.takes_context


def test_the_return_annotation_does_not_matter() -> None:
    def handler(size: int) -> "Missing": ...

    assert worker(handler).request(1).payload == '{"size":1}'


def test_a_local_class_may_hold_itself() -> None:
    @attrs.frozen
    class Node:
        next: "Node | None" = None

    def handler(it: Node) -> None: ...

    made = worker(handler)
    payload = made.request(Node(Node())).payload
    assert made.decode(payload) == ((), {"it": Node(Node())})
