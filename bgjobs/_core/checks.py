"""Checks of settings, which collect all problems instead of stopping at the first."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from bgjobs._core.jobs import LARGEST_WHOLE
from bgjobs._core.lazy import is_generator_function
from bgjobs._core.middleware import WANTED, kind_if_not_middleware
from bgjobs._core.problems import backoff_problems, plain_problems, whole_problems
from bgjobs._core.requests import LONGEST_NAME
from bgjobs._core.retries import retry_problems
from bgjobs._core.text import number_text, value_text
from bgjobs._core.timestamps import LONGEST_DELAY
from bgjobs._core.workers import Worker
from bgjobs.errors import ConfigError

T = TypeVar("T")

LONGEST_TIME = 1e9
"""The largest number of seconds in a setting, some thirty years."""


def as_tuple(values: Iterable[T]) -> Sequence[T]:
    """Return an iterable as a tuple, and anything else as it is, for the checks to refuse."""
    if isinstance(values, str | bytes):  # else each character would be an entry
        return cast("Sequence[T]", values)
    if not isinstance(values, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
        return values
    return tuple(values)


def duplicates(names: Iterable[str]) -> list[str]:
    """Return the names that occur more than once, sorted."""
    return sorted(name for name, count in Counter(names).items() if count > 1)


class Problems:
    """Collects problems within a `with` block, and raises one `ConfigError` at its end."""

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
        """Add a problem; the name of the owner is put in front of it."""
        self._found.append(f"{self._owner}: {problem}")

    def add_all(self, problems: Iterable[str]) -> None:
        """Add several problems."""
        for problem in problems:
            self.add(problem)

    def name(self, what: str, value: object) -> None:
        """Expect a name: text of 1 to 200 printable characters."""
        if not isinstance(value, str):
            self.add(f"{what}: expected str, found {type(value).__name__}")
        elif not value.strip():
            self.add(f"{what}: expected a name, found {value_text(value)}")
        elif len(value) > LONGEST_NAME:
            self.add(f"{what}: expected at most {LONGEST_NAME} characters, found {len(value)}")
        elif not value.isprintable():
            self.add(f"{what}: expected printable characters, found {value_text(value)}")

    def whole(self, what: str, value: object, *, least: int, most: int = LARGEST_WHOLE) -> None:
        """Expect a whole number between two bounds."""
        self.add_all(whole_problems(what, value, least=least, most=most))

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
                f"{what}: expected seconds above {above:g}, at most {most:g}, "
                f"found {number_text(value)}"
            )
        elif not least <= value <= most:
            limits = f"{least:g} to {most:g} seconds"
            self.add(f"{what}: expected {limits}, found {number_text(value)}")

    def age(self, what: str, value: object) -> None:
        """Expect a positive `timedelta` up to a hundred years, or None."""
        if value is None:
            return
        if not isinstance(value, timedelta) or value <= timedelta(0):
            found = value_text(value)
            self.add(f"{what}: expected a positive timedelta or None, found {found}")
        elif value > LONGEST_DELAY:
            most = f"{LONGEST_DELAY.days:,} days, or None"
            self.add(f"{what}: expected at most {most}, found {value.days:,} days")

    def flag(self, what: str, value: object) -> None:
        """Expect True or False."""
        if not isinstance(value, bool):
            self.add(f"{what}: expected True or False, found {value_text(value)}")

    def one(self, what: str, value: object, kind: type) -> bool:
        """Expect an instance of one class; return whether it is one."""
        fits = isinstance(value, kind)
        if not fits:
            self.add(f"{what}: expected {kind.__name__}, found {_kind(value)}")
        return fits

    def choice(self, what: str, value: object, texts: Sequence[str]) -> None:
        """Expect one of these texts."""
        if not isinstance(value, str) or value not in texts:
            wanted = " or ".join(map(repr, texts))
            self.add(f"{what}: expected {wanted}, found {value_text(value)}")

    def having(self, what: str, value: object, method: str, wanted: str) -> None:
        """Expect an object, not a class, with this method; `wanted` describes it."""
        if isinstance(value, type) or not callable(getattr(value, method, None)):
            self.add(f"{what}: expected {wanted}, found {_kind(value)}")

    def plain(self, what: str, value: object) -> None:
        """Expect a plain function, not an async one."""
        self.add_all(plain_problems(what, value))

    def backoff(self, what: str, value: object) -> None:
        """Expect a backoff policy or a plain function."""
        self.add_all(backoff_problems(what, value))

    def retries(self, max_retries: object, backoff: object) -> None:
        """Expect the retry settings of a scheduled job, each of which may be None."""
        self.add_all(retry_problems(max_retries, backoff))

    def each(self, what: str, values: object, fits: Callable[[object], bool], one: str) -> None:
        """Expect a tuple whose entries all satisfy `fits`; `one` describes a valid entry."""
        for place, value in self._entries(what, values):
            if not fits(value):
                self.add(f"{place}: expected {one}, found {_kind(value)}")

    def workers(self, what: str, values: object) -> None:
        """Expect a tuple of workers."""
        self.each(what, values, _is_worker, "a worker made by @bgjobs.worker")

    def listeners(self, what: str, values: object) -> None:
        """Expect a tuple of functions that are no generator functions."""
        self.each(what, values, _is_function, "a function of one event")
        if isinstance(values, tuple):
            for position, value in enumerate(cast("tuple[object, ...]", values)):
                if is_generator_function(value):
                    expected = "expected a function of one event, found a generator function"
                    self.add(f"{what}[{position}]: {expected}")

    def middleware(self, what: str, values: object) -> None:
        """Expect a tuple of functions that make async context managers."""
        for place, value in self._entries(what, values):
            if found := kind_if_not_middleware(value):
                self.add(f"{place}: expected {WANTED}, found {found}")

    def _entries(self, what: str, values: object) -> Iterator[tuple[str, object]]:
        """Yield the place and the value of each entry of what is expected to be a tuple."""
        if isinstance(values, tuple):
            for position, value in enumerate(cast("tuple[object, ...]", values)):
                yield f"{what}[{position}]", value
        else:
            self.add(f"{what}: expected a list of them, found {type(values).__name__}")


def check_handlers(workers: Iterable[Worker[..., Any]]) -> None:
    """Raise `ConfigError` if workers of one name have different handlers."""
    problems = list(ambiguous_handlers(workers))
    if problems:
        raise ConfigError(problems)


def ambiguous_handlers(workers: Iterable[Worker[..., Any]]) -> Iterator[str]:
    """Yield one problem for each name that several workers have with different handlers."""
    # By `!=`: a handler may be an object without a hash.
    first: dict[str, Callable[..., object]] = {}
    clashing = {
        worker.name
        for worker in workers
        if first.setdefault(worker.name, worker.handler) != worker.handler
    }
    for name in sorted(clashing):
        yield f"workers: two different handlers have the name {name!r}"


def _is_function(value: object) -> bool:
    return callable(value) and not isinstance(value, type)


def _kind(value: object) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return type(value).__name__


def _is_worker(value: object) -> bool:
    return isinstance(value, Worker)
