"""The signature of a handler, and the codec that stores its arguments as JSON text."""

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from typing import Any, Final, final, get_args

from attrs import frozen

from bgjobs._core.context import JobContext
from bgjobs._core.payloads import json_text
from bgjobs._core.payloads.annotations import ShapeBuilder
from bgjobs._core.payloads.containers import array_shape, exactly, mapping_shape
from bgjobs._core.payloads.contexts import is_context, is_context_text, resolve_context
from bgjobs._core.payloads.equality import difference
from bgjobs._core.payloads.scalars import SCALARS
from bgjobs._core.payloads.shapes import (
    Mismatch,
    Shape,
    as_mismatch,
    type_mismatch,
    type_name,
    unexpected,
)
from bgjobs.errors import PayloadError, WorkerDefinitionError

Call = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and keyword arguments; the handler determines their types."""

_CONTEXT = object()
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_CONTEXT_ELSEWHERE = "JobContext is passed to the first parameter only; move it there"
_CHANGED = "expected a value that is read back unchanged, found one that would change"
TOO_DEEP = "nested deeper than the recursion limit of Python"


@final
class Codec:
    """Encodes and decodes the arguments of one handler; made when its worker is declared."""

    __slots__ = (
        "_compares",
        "_decoders",
        "_encoders",
        "_plain",
        "_required",
        "_signature",
        "_takes_context",
        "_worker",
        "parameters",
    )

    def __init__(self, worker: str, signature: "Signature") -> None:
        self._worker: Final = worker
        self._signature: Final = signature
        self._takes_context: Final = signature.takes_context
        self._compares: Final = signature.compares
        self._encoders: Final = {name: shape.encode for name, shape in signature.shapes.items()}
        self._decoders: Final = {name: shape.decode for name, shape in signature.shapes.items()}
        self.parameters: Final = signature.parameters
        parameters = signature.parameters
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
        """Return the arguments of a call as JSON text.

        Raises:
            TypeError: The handler does not take such arguments.
            PayloadError: An argument does not fit its annotation or cannot be stored.
        """
        given = self._bind(args, kwargs)
        try:
            text = json_text.dump(self._encode_arguments(given))
            return self._read_back(given, text) if self._compares else text
        except Mismatch as mismatch:
            problems = mismatch.messages()
        except RecursionError:
            problems = (TOO_DEEP,)
        # Outside the except clause, because the context of the error may quote values.
        raise PayloadError(self._worker, problems) from None

    def decode(self, payload: str) -> Call:
        """Return the call that a payload stores.

        Raises:
            TypeError: The payload is not a str.
            PayloadError: The payload does not fit the handler.
        """
        if not isinstance(payload, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may not check types
            found = type_name(payload)
            raise TypeError(f"payload of worker {self._worker!r}: expected str, found {found}")
        try:
            return self._call(self._decode_arguments(json_text.load(payload, self._decoders)))
        except Mismatch as mismatch:
            problems = mismatch.messages()
        except RecursionError:
            problems = (TOO_DEEP,)
        raise PayloadError(self._worker, problems) from None

    def encode_defaults(self) -> Mapping[str, str]:
        """Return the default values as JSON texts, without those that cannot be stored."""
        found: dict[str, str] = {}
        for one in self.parameters:
            if one.default is not one.empty:
                with suppress(Exception):  # nothing has checked it, so it may be anything
                    encoded = self._encoders[one.name](one.default)
                    found[one.name] = json_text.text_of(encoded)
        return found

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        if not kwargs and len(self._required) <= len(args) <= len(self._plain):
            # inspect.Signature.bind takes longer than all other steps together.
            return dict(zip(self._plain, args))  # noqa: B905 - `strict` takes half as long again
        python = self._signature.python
        try:
            if not self._takes_context:
                return python.bind(*args, **kwargs).arguments
            given = python.bind(_CONTEXT, *args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"{self._worker}() {error}") from None
        del given[next(iter(given))]
        return given

    def _encode_arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        encoders = self._encoders
        result: dict[str, Any] = {}
        problems: list[tuple[str, str]] = []
        for name, value in given.items():
            try:
                result[name] = encoders[name](value)
            except Exception as error:  # noqa: BLE001 - user code may raise anything
                problems += as_mismatch(error).under(name)
        if problems:
            raise Mismatch(problems)
        return result

    def _read_back(self, given: dict[str, Any], text: str) -> str:
        """Return `text` if it is read back as `given`; code of the classes may prevent that."""
        try:
            found = self._decode_arguments(json_text.load(text, self._decoders))
        except Mismatch as mismatch:
            raise Mismatch(
                (path, f"could not be read back: {problem}")
                for path, problem in mismatch.problems
            ) from None
        for name, value in found.items():
            try:
                path = difference(given[name], value)
            except Exception as error:  # noqa: BLE001 - user code may raise anything
                raise Mismatch(as_mismatch(error).under(name)) from None
            if path is not None:
                raise Mismatch([(name + path, _CHANGED)])
        return text

    def _decode_arguments(self, stored: Any) -> dict[str, Any]:
        if not isinstance(stored, dict):
            raise type_mismatch("an object of arguments", stored)
        given: dict[str, Any] = stored  # pyright: ignore[reportUnknownVariableType] - JSON keys
        decoders = self._decoders
        if given.keys() == decoders.keys():
            try:
                return {name: decode(given[name]) for name, decode in decoders.items()}
            except Mismatch:
                pass  # the loop below finds all problems
        result: dict[str, Any] = {}
        problems = list(self._argument_problems(given))
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

    def _argument_problems(self, given: dict[str, Any]) -> Iterator[tuple[str, str]]:
        for name in self._required:
            if name not in given:
                yield "", f"missing argument {name!r}"
        if more := len(given.keys() - self._encoders.keys()):
            yield "", unexpected("argument", more, self._encoders)

    def _call(self, given: dict[str, Any]) -> Call:
        if self._plain or not given:
            return (), given
        positional = _positional_names(self.parameters, given)
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for one in self.parameters:
            if one.name in positional:
                args.append(given.get(one.name, one.default))
            elif one.kind is one.VAR_POSITIONAL:
                args += given.get(one.name, ())
            elif one.kind is one.VAR_KEYWORD:
                kwargs |= given.get(one.name, {})
            elif one.name in given:
                kwargs[one.name] = given[one.name]
        return tuple(args), kwargs


def _positional_names(
    parameters: Sequence[inspect.Parameter], given: dict[str, Any]
) -> set[str]:
    """Return the parameters to pass by position, including defaults before a given one."""
    more = any(given.get(one.name) for one in parameters if one.kind is one.VAR_POSITIONAL)
    names = [
        one.name
        for one in parameters
        if one.kind is one.POSITIONAL_ONLY or (more and one.kind is one.POSITIONAL_OR_KEYWORD)
    ]
    while names and not more and names[-1] not in given:
        names.pop()
    return set(names)


@final
@frozen(eq=False)
class Signature:
    """The parameters of a handler, without its context."""

    python: inspect.Signature
    takes_context: bool
    resources: Any
    """The type of the resources that its context is annotated with; None if it has no type."""
    parameters: Sequence[inspect.Parameter]
    """Those of the arguments, with their annotations evaluated."""
    shapes: Mapping[str, Shape]
    """By parameter, in the order of the signature."""
    compares: bool
    """Whether a request must compare its arguments with what its payload is read back as."""
    redacted: frozenset[str]
    """The names of the fields with ``repr=False`` in its classes, at any depth."""


def read_signature(worker: str, handler: Callable[..., object]) -> Signature:
    """Return the signature of a handler.

    Raises:
        WorkerDefinitionError: Its arguments cannot be stored; the error lists all problems.
    """
    try:
        python = inspect.signature(handler)
    except (TypeError, ValueError, NameError) as error:
        raise WorkerDefinitionError(worker, f"its signature cannot be read: {error}") from error
    names = globals_of(handler)
    parameters = [_resolve_parameter(one, names) for one in python.parameters.values()]
    takes_context = bool(parameters) and _is_context(parameters[0])
    arguments = parameters[1:] if takes_context else parameters
    builder = ShapeBuilder()
    try:
        shapes = {one.name: _shape(one, builder) for one in arguments}
    except RecursionError:
        raise WorkerDefinitionError(
            worker, "its annotations contain themselves without end"
        ) from None
    if builder.problems:
        raise WorkerDefinitionError(worker, "; ".join(_messages(builder.problems)))
    resources = _resources_of(parameters[0].annotation) if takes_context else None
    redacted = frozenset(builder.redacted)
    return Signature(
        python, takes_context, resources, arguments, shapes, builder.compares, redacted
    )


def _messages(problems: list[tuple[str, str]]) -> list[str]:
    messages: list[str] = []
    for path, problem in problems:
        parameter = path.partition(".")[0].partition("[")[0].partition(" ")[0]
        inside = "" if path == parameter else f", at {path}"
        messages.append(f"parameter {parameter!r}{inside}: {problem}")
    return list(dict.fromkeys(messages))


def globals_of(handler: Any) -> dict[str, Any]:
    """Return the names by which the annotations of a handler are evaluated."""
    inner = handler
    while isinstance(inner, partial):
        inner = typing.cast("Any", inner).func
    inner = inspect.unwrap(inner)
    inner = getattr(inner, "__func__", inner)
    if not hasattr(inner, "__globals__"):
        inner = inspect.unwrap(type(inner).__call__)
    found: dict[str, Any] = getattr(inner, "__globals__", {})
    return found


def _resolve_parameter(
    parameter: inspect.Parameter, names: dict[str, Any]
) -> inspect.Parameter:
    """Return the parameter with its annotation evaluated, independent of the other ones."""
    if parameter.annotation is parameter.empty:
        return parameter
    found = evaluated(parameter.annotation, names)
    return parameter.replace(annotation=resolve_context(found))


def evaluated(annotation: Any, names: dict[str, Any]) -> Any:
    """Return the annotation that a text stands for; a `ForwardRef` if that is impossible."""
    holder: Any = SimpleNamespace(__annotations__={"it": annotation})
    try:
        return typing.get_type_hints(holder, names)["it"]
    except (NameError, AttributeError, TypeError, SyntaxError):
        # JobContext may be imported for type checkers only.
        by_name = is_context_text(annotation)
        return JobContext if by_name else typing.ForwardRef(_as_expression(annotation))


def _as_expression(annotation: object) -> str:
    text = annotation if isinstance(annotation, str) else repr(annotation)
    try:
        compile(text, "annotation", "eval")
    except SyntaxError:
        return "unreadable"
    return text


def _is_context(parameter: inspect.Parameter) -> bool:
    return is_context(parameter.annotation) and parameter.kind in _POSITIONAL


def _shape(parameter: inspect.Parameter, builder: ShapeBuilder) -> Shape:
    if parameter.annotation is parameter.empty:
        builder.problems.append((parameter.name, "expected an annotation, found none"))
        return SCALARS[str]
    if is_context(parameter.annotation):
        builder.problems.append((parameter.name, _CONTEXT_ELSEWHERE))
        return SCALARS[str]
    shape = builder.shape(parameter.annotation, parameter.name)
    if parameter.kind is parameter.VAR_POSITIONAL:
        return array_shape(exactly(tuple), list, shape)
    if parameter.kind is parameter.VAR_KEYWORD:
        return mapping_shape(exactly(dict), SCALARS[str], shape)
    return shape


def _resources_of(context: Any) -> Any:
    """Return what a `JobContext` is annotated with; None where no value can be checked."""
    [found] = get_args(context) or (None,)
    return None if found in (Any, object) or isinstance(found, typing.TypeVar) else found
