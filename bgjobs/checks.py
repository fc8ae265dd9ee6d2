"""Checks of settings that gather what they find instead of stopping at the first."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from bgjobs.errors import ConfigError
from bgjobs.workers import Worker

LONGEST_NAME = 200
"""Characters in a name; it is an index column in both databases."""


def duplicates(names: Iterable[str]) -> list[str]:
    """Give the names that occur more than once, in order."""
    return sorted(name for name, count in Counter(names).items() if count > 1)


class Problems:
    """Gathers problems inside its `with` block and raises them together at its end."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._found: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None and self._found:
            raise ConfigError(self._found)

    def add(self, problem: str) -> None:
        """Note one problem, without its owner."""
        self._found.append(f"{self._owner}: {problem}")

    def name(self, what: str, value: object) -> None:
        """Expect a name: text of 1 to 200 printable characters."""
        if not isinstance(value, str):
            self.add(f"{what}: expected str, found {type(value).__name__}")
        elif not value.strip():
            self.add(f"{what}: expected a name, found {value!r}")
        elif len(value) > LONGEST_NAME:
            self.add(f"{what}: expected at most {LONGEST_NAME} characters, found {len(value)}")
        elif not value.isprintable():
            self.add(f"{what}: expected printable characters, found {value!r}")

    def whole(self, what: str, value: object, *, least: int, most: int | None = None) -> None:
        """Expect a whole number between two bounds."""
        if not isinstance(value, int) or isinstance(value, bool):
            self.add(f"{what}: expected int, found {type(value).__name__}")
        elif value < least or (most is not None and value > most):
            limits = f"{least} or more" if most is None else f"{least} to {most}"
            self.add(f"{what}: expected {limits}, found {value}")

    def seconds(
        self,
        what: str,
        value: object,
        *,
        above: float | None = None,
        least: float = 0,
        most: float | None = None,
    ) -> None:
        """Expect a finite number of seconds between two bounds."""
        if not isinstance(value, int | float) or isinstance(value, bool):
            self.add(f"{what}: expected seconds, found {type(value).__name__}")
        elif above is not None and not above < value < math.inf:
            self.add(f"{what}: expected more than {above:g} seconds, found {value:g}")
        elif not least <= value < math.inf or (most is not None and value > most):
            limits = f"{least:g} or more" if most is None else f"{least:g} to {most:g}"
            self.add(f"{what}: expected {limits} seconds, found {value:g}")

    def age(self, what: str, value: object) -> None:
        """Expect a positive `timedelta`, or None."""
        if value is not None and not (isinstance(value, timedelta) and value > timedelta(0)):
            self.add(f"{what}: expected a positive timedelta or None, found {value!r}")

    def workers(self, what: str, values: Sequence[Any]) -> None:
        """Expect what `@bgjobs.worker` makes. Takes anything, since it checks what it is."""
        for position, value in enumerate(values):
            if not isinstance(value, Worker):
                self.add(
                    f"{what}[{position}]: expected a worker made by @bgjobs.worker, "
                    f"found {type(value).__name__}"
                )
