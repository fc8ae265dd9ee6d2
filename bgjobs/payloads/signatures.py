"""What a handler wants: its parameters, their shapes, and whether it takes a context."""

import inspect
import typing
from collections.abc import Callable, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any, final

from attrs import frozen

from bgjobs._core.context import JobContext
from bgjobs.errors import WorkerDefinitionError
from bgjobs.payloads.annotations import ShapeBuilder
from bgjobs.payloads.containers import array_shape, exactly, mapping_shape
from bgjobs.payloads.context_parameter import as_context, written_as_context
from bgjobs.payloads.scalars import SCALARS
from bgjobs.payloads.shapes import Shape

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_CONTEXT_ELSEWHERE = "JobContext is given to the first parameter only; move it there"


@final
@frozen(eq=False)
class Signature:
    """The call of a handler, without its context."""

    python: inspect.Signature
    takes_context: bool
    shapes: Mapping[str, Shape]
    """By parameter, in the order of the signature."""
    compares: bool
    """Whether what is read back has to be compared with what was given."""


def read_signature(worker: str, handler: Callable[..., object]) -> Signature:
    """Read a handler's signature; `WorkerDefinitionError` lists all that is wrong with it."""
    try:
        python = inspect.signature(handler)
    except (TypeError, ValueError, NameError) as error:
        raise WorkerDefinitionError(worker, f"its signature cannot be read: {error}") from error
    names = _globals_of(handler)
    parameters = [_resolved(one, names) for one in python.parameters.values()]
    takes_context = bool(parameters) and _is_context(parameters[0])
    arguments = parameters[1:] if takes_context else parameters
    builder = ShapeBuilder()
    try:
        shapes = {one.name: _shape(one, builder) for one in arguments}
    except RecursionError:
        raise WorkerDefinitionError(worker, "its annotations contain themselves") from None
    if builder.problems:
        raise WorkerDefinitionError(worker, "; ".join(_sentences(builder.problems)))
    return Signature(python, takes_context, shapes, builder.compares)


def _sentences(problems: list[tuple[str, str]]) -> list[str]:
    sentences: list[str] = []
    for path, problem in problems:
        parameter = path.partition(".")[0].partition("[")[0].partition(" ")[0]
        inside = "" if path == parameter else f", at {path}"
        sentences.append(f"parameter {parameter!r}{inside}: {problem}")
    return list(dict.fromkeys(sentences))


def _globals_of(handler: Any) -> dict[str, Any]:
    inner = handler
    while isinstance(inner, partial):
        inner = typing.cast("Any", inner).func
    inner = inspect.unwrap(inner)
    inner = getattr(inner, "__func__", inner)
    if not hasattr(inner, "__globals__"):
        inner = inspect.unwrap(type(inner).__call__)
    found: dict[str, Any] = getattr(inner, "__globals__", {})
    return found


def _resolved(parameter: inspect.Parameter, names: dict[str, Any]) -> inspect.Parameter:
    """Evaluate the names in one annotation; each alone, so that one failure hides no other."""
    annotation = parameter.annotation
    if annotation is parameter.empty:
        return parameter
    holder: Any = SimpleNamespace(__annotations__={"it": annotation})
    try:
        found = typing.get_type_hints(holder, names)["it"]
    except (NameError, AttributeError, TypeError, SyntaxError):
        # Imported for type checkers only, the context is still known by its name.
        by_name = written_as_context(annotation)
        found = JobContext if by_name else typing.ForwardRef(_as_expression(annotation))
    return parameter.replace(annotation=as_context(found))


def _as_expression(annotation: object) -> str:
    text = annotation if isinstance(annotation, str) else repr(annotation)
    try:
        compile(text, "annotation", "eval")
    except SyntaxError:
        return "unreadable"
    return text


def _is_context(parameter: inspect.Parameter) -> bool:
    return parameter.annotation is JobContext and parameter.kind in _POSITIONAL


def _shape(parameter: inspect.Parameter, builder: ShapeBuilder) -> Shape:
    if parameter.annotation is parameter.empty:
        builder.problems.append((parameter.name, "expected an annotation, found none"))
        return SCALARS[str]
    if parameter.annotation is JobContext:
        builder.problems.append((parameter.name, _CONTEXT_ELSEWHERE))
        return SCALARS[str]
    shape = builder.shape(parameter.annotation, parameter.name)
    if parameter.kind is parameter.VAR_POSITIONAL:
        return array_shape(exactly(tuple), list, shape)
    if parameter.kind is parameter.VAR_KEYWORD:
        return mapping_shape(exactly(dict), SCALARS[str], shape)
    return shape
