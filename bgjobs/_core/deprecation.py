"""Warnings of deprecated functions, methods, arguments and module attributes.

`deprecated` is for functions and methods; type checkers, which bring the stubs of
`typing_extensions` with them, report their uses, too: see https://peps.python.org/pep-0702/.
`warn_deprecated` is for arguments, and for attributes in the `__getattr__` of a module.
`tests/unit/test_deprecations.py` checks the messages, and that what they name is removed.
"""

import warnings
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

__all__ = ["deprecated", "warn_deprecated"]

P = ParamSpec("P")
R = TypeVar("R")


def warn_deprecated(message: str, /) -> None:
    """Warn at the line that called the function, or the `__getattr__`, that calls this one."""
    warnings.warn(message, DeprecationWarning, stacklevel=3)


def _deprecated(message: str, /) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator of a function or method that warns at the line of each call."""

    def decorated(function: Callable[P, R]) -> Callable[P, R]:
        # Not async around an async function: a task would run its body without the caller.
        @wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            warn_deprecated(message)
            return function(*args, **kwargs)

        return wrapper

    return decorated


if TYPE_CHECKING:
    from typing_extensions import deprecated
else:
    deprecated = _deprecated
