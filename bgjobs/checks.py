"""Checks of settings that gather what they find instead of stopping at the first."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from types import TracebackType
from typing import Self, cast

from bgjobs.backoff import Custom, is_policy
from bgjobs.deferred import is_generator_function, why_not_plain
from bgjobs.errors import ConfigError
from bgjobs.jobs import LONGEST_NAME
from bgjobs.workers import Worker

LONGEST_TIME = 1e9
"""Seconds, some thirty years; no setting means more."""


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
        most: float = LONGEST_TIME,
    ) -> None:
        """Expect a number of seconds between two bounds."""
        if not isinstance(value, int | float) or isinstance(value, bool):
            self.add(f"{what}: expected seconds, found {type(value).__name__}")
        elif above is not None and not above < value <= most:
            self.add(
                f"{what}: expected seconds above {above:g}, at most {most:g}, found {value}"
            )
        elif not least <= value <= most:
            self.add(f"{what}: expected {least:g} to {most:g} seconds, found {value}")

    def age(self, what: str, value: object) -> None:
        """Expect a positive `timedelta`, or None."""
        if value is not None and not (isinstance(value, timedelta) and value > timedelta(0)):
            self.add(f"{what}: expected a positive timedelta or None, found {value!r}")

    def flag(self, what: str, value: object) -> None:
        """Expect True or False."""
        if not isinstance(value, bool):
            self.add(f"{what}: expected True or False, found {value!r}")

    def one(self, what: str, value: object, kind: type) -> bool:
        """Expect a value of one class; says whether it is."""
        fits = isinstance(value, kind)
        if not fits:
            self.add(f"{what}: expected {kind.__name__}, found {type(value).__name__}")
        return fits

    def having(self, what: str, value: object, method: str, wanted: str) -> None:
        """Expect something with a method of this name, described by `wanted`."""
        if not callable(getattr(value, method, None)):
            self.add(f"{what}: expected {wanted}, found {type(value).__name__}")

    def plain(self, what: str, value: object) -> None:
        """Expect a plain function, not an async one."""
        if not callable(value):
            self.add(f"{what}: expected a function, found {type(value).__name__}")
        elif found := why_not_plain(value):
            self.add(f"{what}: expected a plain function, found {found}")

    def backoff(self, what: str, value: object) -> None:
        """Expect a backoff policy or a plain function."""
        if isinstance(value, Custom):
            self.plain(what, value.function)
        elif is_policy(value) and not isinstance(value, type):
            self.plain(f"{what}.delay", value.delay)
        else:
            expected = "expected a policy of bgjobs.backoff or a function"
            self.add(f"{what}: {expected}, found {type(value).__name__}")

    def each(self, what: str, values: object, fits: Callable[[object], bool], one: str) -> None:
        """Expect a sequence whose entries all fit; `one` describes an entry that does."""
        if not isinstance(values, tuple):
            self.add(f"{what}: expected a list of them, found {type(values).__name__}")
            return
        for position, value in enumerate(cast("tuple[object, ...]", values)):
            if not fits(value):
                found = type(value).__name__
                self.add(f"{what}[{position}]: expected {one}, found {found}")

    def workers(self, what: str, values: object) -> None:
        """Expect a sequence of what `@bgjobs.worker` makes."""
        self.each(what, values, _is_worker, "a worker made by @bgjobs.worker")

    def listeners(self, what: str, values: object) -> None:
        """Expect a sequence of functions."""
        self.each(what, values, callable, "a function of one event")
        if isinstance(values, tuple):
            for position, value in enumerate(cast("tuple[object, ...]", values)):
                if is_generator_function(value):
                    expected = "expected a function of one event, found a generator function"
                    self.add(f"{what}[{position}]: {expected}")


def _is_worker(value: object) -> bool:
    return isinstance(value, Worker)
