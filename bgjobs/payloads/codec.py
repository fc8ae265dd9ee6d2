"""The codec of one worker: a call's arguments to JSON text, and back to a call."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any, Final, final

from bgjobs.errors import PayloadError
from bgjobs.payloads import json_text
from bgjobs.payloads.equality import difference
from bgjobs.payloads.mismatch import Mismatch, as_mismatch, type_name, unexpected, unfit
from bgjobs.payloads.signatures import read_signature

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
