"""The codec of one worker: a call's arguments to JSON text, and back to a call."""

import ast
import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Annotated, Any, Final, Union, final, get_args, get_origin

from attrs import frozen

from bgjobs.context import JobContext
from bgjobs.errors import PayloadError, WorkerDefinitionError
from bgjobs.payloads import json_text
from bgjobs.payloads.annotations import ShapeBuilder
from bgjobs.payloads.containers import array_shape, exactly, mapping_shape
from bgjobs.payloads.equality import difference
from bgjobs.payloads.scalars import SCALARS
from bgjobs.payloads.shapes import Mismatch, Shape, as_mismatch, type_name, unexpected, unfit

Call = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and keyword arguments; their types are the handler's own."""

_CONTEXT = object()
_OTHER = "expected a value that is read back as it is, found one that would come back changed"
_DEEP = "arguments: nested deeper than Python can follow"


@final
class Codec:
    """Writes and reads the arguments of one handler; made once, when it is declared."""

    __slots__ = (
        "_compares",
        "_decoders",
        "_encoders",
        "_plain",
        "_required",
        "_signature",
        "_worker",
        "takes_context",
    )

    def __init__(self, worker: str, handler: Callable[..., object]) -> None:
        signature = read_signature(worker, handler)
        self._worker: Final = worker
        self._signature: Final = signature
        self.takes_context: Final = signature.takes_context
        self._compares: Final = signature.compares
        self._encoders: Final = {name: shape.encode for name, shape in signature.shapes.items()}
        self._decoders: Final = {name: shape.decode for name, shape in signature.shapes.items()}
        parameters = [signature.python.parameters[name] for name in signature.shapes]
        self._plain: Final = (
            [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]
            if all(one.kind is one.POSITIONAL_OR_KEYWORD for one in parameters)
            else []
        )
        self._required: Final = [
            one.name
            for one in parameters
            if one.default is one.empty
            and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        ]

    def encode(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """Write a call; `TypeError` for one that Python would not make, else `PayloadError`."""
        given = self._bound(args, kwargs)
        try:
            text = json_text.dump(self._encoded(given))
            return self._read_back(given, text) if self._compares else text
        except Mismatch as mismatch:
            problems = mismatch.texts()
        except RecursionError:
            problems = (_DEEP,)
        # Out here it has no context: the errors that led to it quote what they found.
        raise PayloadError(self._worker, problems) from None

    def decode(self, payload: str) -> Call:
        """Read a call back; `PayloadError` for a payload that does not fit the handler."""
        if not isinstance(payload, str):  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
            found = type_name(payload)
            raise TypeError(f"payload of worker {self._worker!r}: expected str, found {found}")
        try:
            return self._call(self._decoded(json_text.load(payload, self._decoders)))
        except Mismatch as mismatch:
            problems = mismatch.texts()
        except RecursionError:
            problems = (_DEEP,)
        raise PayloadError(self._worker, problems) from None

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        if not kwargs and len(self._required) <= len(args) <= len(self._plain):
            # Binding through inspect takes longer than all the rest.
            return dict(zip(self._plain, args, strict=False))
        python = self._signature.python
        try:
            if not self.takes_context:
                return python.bind(*args, **kwargs).arguments
            given = python.bind(_CONTEXT, *args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"{self._worker}() {error}") from None
        del given[next(iter(given))]
        return given

    def _encoded(self, given: dict[str, Any]) -> dict[str, Any]:
        encoders = self._encoders
        result: dict[str, Any] = {}
        problems: list[tuple[str, str]] = []
        for name, value in given.items():
            try:
                result[name] = encoders[name](value)
            except Exception as error:  # noqa: BLE001 - a class of the user's may raise anything
                problems += as_mismatch(error).under(name)
        if problems:
            raise Mismatch(problems)
        return result

    def _read_back(self, given: dict[str, Any], text: str) -> str:
        """Read the text as its run will: classes with code of their own may not allow it."""
        try:
            found = self._decoded(json_text.load(text, self._decoders))
        except Mismatch as mismatch:
            raise Mismatch(
                (path, f"could not be read back: {problem}")
                for path, problem in mismatch.problems
            ) from None
        for name, value in found.items():
            try:
                path = difference(given[name], value)
            except Exception as error:  # noqa: BLE001 - a class of the user's may raise anything
                raise Mismatch(as_mismatch(error).under(name)) from None
            if path is not None:
                raise Mismatch([(name + path, _OTHER)])
        return text

    def _decoded(self, stored: Any) -> dict[str, Any]:
        if not isinstance(stored, dict):
            raise unfit("an object of arguments", stored)
        given: dict[str, Any] = stored  # pyright: ignore[reportUnknownVariableType] - JSON keys
        decoders = self._decoders
        if given.keys() == decoders.keys():
            try:
                return {name: decode(given[name]) for name, decode in decoders.items()}
            except Mismatch:
                pass  # all that does not fit is named below
        result: dict[str, Any] = {}
        problems = list(self._misfits(given))
        for name, decode in decoders.items():
            if name not in given:
                continue
            try:
                result[name] = decode(given[name])
            except Mismatch as mismatch:
                problems += mismatch.under(name)
        if problems:
            raise Mismatch(problems)
        return result

    def _misfits(self, given: dict[str, Any]) -> Iterator[tuple[str, str]]:
        for name in self._required:
            if name not in given:
                yield "", f"missing argument {name!r}"
        if more := len(given.keys() - self._encoders.keys()):
            yield "", unexpected("argument", more, self._encoders)

    def _call(self, given: dict[str, Any]) -> Call:
        if self._plain or not given:
            return (), given
        parameters = [self._signature.python.parameters[name] for name in self._encoders]
        positional = _passed_by_position(parameters, given)
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for one in parameters:
            if one.name in positional:
                args.append(given.get(one.name, one.default))
            elif one.kind is one.VAR_POSITIONAL:
                args += given.get(one.name, ())
            elif one.kind is one.VAR_KEYWORD:
                kwargs |= given.get(one.name, {})
            elif one.name in given:
                kwargs[one.name] = given[one.name]
        return tuple(args), kwargs


def _passed_by_position(parameters: list[inspect.Parameter], given: dict[str, Any]) -> set[str]:
    """Name what must go by position; a default is filled in where a later one was given."""
    more = any(given.get(one.name) for one in parameters if one.kind is one.VAR_POSITIONAL)
    names = [
        one.name
        for one in parameters
        if one.kind is one.POSITIONAL_ONLY or (more and one.kind is one.POSITIONAL_OR_KEYWORD)
    ]
    while names and not more and names[-1] not in given:
        names.pop()
    return set(names)


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


def as_context(annotation: Any) -> Any:
    """Return `JobContext` for what means it; with None too, for a context is always given."""
    plain = _plain(annotation)
    if get_origin(plain) in (Union, types.UnionType):
        members = {_plain(one) for one in get_args(plain)} - {types.NoneType}
        if members == {JobContext}:
            return JobContext
    return JobContext if plain is JobContext else annotation


def _plain(annotation: Any) -> Any:
    while get_origin(annotation) in (Annotated, typing.Final):
        annotation = get_args(annotation)[0]
    return annotation


def written_as_context(annotation: object) -> bool:
    """Whether the text of an annotation means it, where its names are not imported."""
    if not isinstance(annotation, str):
        return False
    try:
        return _means_context(ast.parse(annotation.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError):
        return False


def _means_context(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return written_as_context(node.value)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _is_one_beside_none([node.left, node.right])
    if isinstance(node, ast.Subscript):
        inside = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        wrapper = _last_name(node.value)
        if wrapper in ("Optional", "Union"):
            return _is_one_beside_none(inside)
        return wrapper == "Annotated" and _means_context(inside[0])
    return _last_name(node) == "JobContext"


def _is_one_beside_none(members: list[ast.expr]) -> bool:
    left = [one for one in members if not (isinstance(one, ast.Constant) and one.value is None)]
    return len(left) == 1 and _means_context(left[0])


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
