"""The result of a handler as JSON text, with the rules that hold for arguments."""

from collections.abc import Awaitable, Callable, Coroutine
from inspect import Parameter
from inspect import Signature as PythonSignature
from typing import Any, Final, final, get_args, get_origin

from bgjobs._core.payloads import json_text
from bgjobs._core.payloads.annotations import ShapeBuilder
from bgjobs._core.payloads.shapes import Mismatch
from bgjobs._core.payloads.signature import (
    TOO_DEEP,
    Codec,
    Signature,
    evaluated,
    globals_of,
)
from bgjobs.errors import PayloadError, ResultError, WorkerDefinitionError

_NAME = "result"
_BEFORE, _AFTER = f'{{"{_NAME}":', "}"
"""What the text of one argument of this name has around the text of its value."""


@final
class ResultCodec:
    """Encodes and decodes the results of one handler; made when its worker is declared.

    A result is encoded as the only argument of a call, without the braces around it.
    """

    def __init__(self, worker: str, handler: Callable[..., object]) -> None:
        signature = _signature(worker, handler)
        self._worker: Final = worker
        self._codec: Final = Codec(worker, signature)
        self._decode: Final = signature.shapes[_NAME].decode
        self.redacted: Final[frozenset[str]] = signature.redacted
        """The names of the fields with ``repr=False`` in the classes, at any depth."""

    def encode(self, value: object) -> str:
        """Return a result as JSON text.

        Raises:
            ResultError: The value does not fit the annotation or cannot be stored.
        """
        try:
            text = self._codec.encode((value,), {})
        except PayloadError as error:
            problems = error.problems
        else:
            return text[len(_BEFORE) : -len(_AFTER)]
        # Outside the except clause, because the context of the error may quote values.
        raise ResultError(self._worker, problems) from None

    def decode(self, text: str) -> Any:
        """Return the result that a text stores.

        Raises:
            ResultError: The text does not fit the annotation of the handler.
        """
        try:
            return self._decode(json_text.load(text))
        except Mismatch as mismatch:
            problems = Mismatch(mismatch.under(_NAME)).messages()
        except RecursionError:
            problems = (TOO_DEEP,)
        raise ResultError(self._worker, problems) from None


def _signature(worker: str, handler: Callable[..., object]) -> Signature:
    """Return the signature of a function whose only argument is the result."""
    annotation = _annotation(handler)
    if annotation is PythonSignature.empty:
        problem = "keep_result: expected a return annotation, found none"
        raise WorkerDefinitionError(worker, problem)
    builder = ShapeBuilder()
    try:
        shape = builder.shape(annotation, _NAME)
    except RecursionError:
        problem = "its return annotation contains itself without end"
        raise WorkerDefinitionError(worker, problem) from None
    if builder.problems:
        problems = (f"{path}: {problem}" for path, problem in builder.problems)
        raise WorkerDefinitionError(worker, "; ".join(dict.fromkeys(problems)))
    parameter = Parameter(_NAME, Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation)
    return Signature(
        python=PythonSignature([parameter]),
        takes_context=False,
        resources=None,
        parameters=[parameter],
        shapes={_NAME: shape},
        compares=builder.compares,
        redacted=frozenset(builder.redacted),
    )


def _annotation(handler: Callable[..., object]) -> Any:
    """Return the annotation of what a handler returns, awaited."""
    found = PythonSignature.from_callable(handler).return_annotation
    if found is PythonSignature.empty:
        return found
    annotation = evaluated(found, globals_of(handler))
    if get_origin(annotation) in (Coroutine, Awaitable):
        return get_args(annotation)[-1]
    return annotation
