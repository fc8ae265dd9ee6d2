"""Requests: jobs that are asked for and not stored yet, checked as they are made."""

from datetime import datetime, timedelta
from math import inf
from typing import Any, Literal, cast, final

from attrs import evolve, field, frozen

from bgjobs._core.occurrences import KEY_PREFIX, Occurrence
from bgjobs._core.text import check_storable, is_visible, number_text, value_text, visible
from bgjobs._core.timestamps import as_instant, check_delay, check_number

LOWEST_PRIORITY = 32_767
"""Priorities run from -32,767 to 32,767, the small integer of SQL; lower runs first."""


LONGEST_NAME = 200
"""Characters in the name of a worker; both databases index it."""


LONGEST_KEY = 200
"""Characters in a unique key, without the prefix of scheduled jobs; it is indexed too."""


LARGEST_PAYLOAD = 1_048_576
"""Bytes of UTF-8 in one payload."""


LONGEST_METADATA = 4_000
"""Characters of all metadata of a job together; it is read with the job each time."""


@final
@frozen
class JobOptions:
    """When and how a requested job shall run."""

    available_at: datetime | None = None
    available_in: timedelta | None = None
    priority: int = 0
    unique_key: str | None = None
    occurrence: Occurrence | None = None
    """Set by the runtime for the jobs of a schedule."""
    metadata: tuple[tuple[str, str], ...] = ()
    refuses_duplicates: bool = False
    """Whether it is an error that another job has the unique key."""

    def __attrs_post_init__(self) -> None:
        # All but the defaults: each request passes here.
        if self.priority != 0 or type(self.priority) is not int:
            check_priority(self.priority)
        if self.unique_key is not None:
            _check_text("unique_key", self.unique_key, LONGEST_KEY + len(KEY_PREFIX))
        if self.metadata != ():
            _check_metadata(self.metadata)
        if self.available_at is not None or self.available_in is not None:
            _check_time(self.available_at, self.available_in)
        if self.occurrence is not None and not isinstance(self.occurrence, Occurrence):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
            found = type(self.occurrence).__name__
            raise TypeError(f"occurrence: expected an Occurrence or None, found {found}")
        if self.refuses_duplicates is not False and self.refuses_duplicates is not True:  # pyright: ignore[reportUnnecessaryComparison] - untyped callers
            found = type(self.refuses_duplicates).__name__
            raise TypeError(f"refuses_duplicates: expected True or False, found {found}")


@final
@frozen
class JobRequest:
    """A job that is asked for and not stored yet; made by `Worker.request`.

    A request is a value: it can be kept, refined into another one and enqueued any number of
    times, each time as a job of its own.
    """

    name: str
    """The name of the worker that shall run it."""
    payload: str = field(repr=False)
    """The arguments as JSON text."""
    options: JobOptions = JobOptions()

    def __attrs_post_init__(self) -> None:
        # The databases differ in what they make of the rest: one stores what is before a NUL.
        _check_text("name", self.name, LONGEST_NAME)
        check_storable("payload", self.payload)
        _check_size(self.payload)
        if not isinstance(self.options, JobOptions):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
            found = type(self.options).__name__
            raise TypeError(f"options: expected JobOptions, found {found}")

    def available_at(self, moment: datetime) -> "JobRequest":
        """Let the job wait until `moment`, an aware datetime. The last word on time wins."""
        instant = as_instant("available_at", moment)
        return self._with(available_at=instant, available_in=None)

    def available_in(
        self, *, seconds: float = 0, minutes: float = 0, hours: float = 0, days: float = 0
    ) -> "JobRequest":
        """Let the job wait for a while, counted by the database from when it is enqueued."""
        parts = {"seconds": seconds, "minutes": minutes, "hours": hours, "days": days}
        for name, value in parts.items():
            check_number(f"available_in: {name}", value)
        try:
            wait = seconds + 60 * (minutes + 60 * (hours + 24 * days))
        except OverflowError:  # a float and a whole number that no float can hold
            wait = inf
        delay = check_delay("available_in", wait)
        return self._with(available_at=None, available_in=delay)

    def priority(self, level: int) -> "JobRequest":
        """Run before the jobs of higher `level`; 0 unless said, -32,767 to 32,767."""
        check_priority(level)
        return self._with(priority=level)

    def unique(
        self, key: str, *, on_conflict: Literal["existing", "raise"] = "existing"
    ) -> "JobRequest":
        """Allow one job of this worker and `key` at a time, waiting or running.

        Enqueueing another while one is live stores nothing and gives the live one, or raises
        `DuplicateJobError`; then nothing of that `enqueue_many` is stored.
        """
        if not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
            raise TypeError(f"unique key: expected str, found {type(key).__name__}")
        if not 1 <= len(key) <= LONGEST_KEY:
            raise ValueError(
                f"unique key: expected 1 to {LONGEST_KEY} characters, found {len(key)}"
            )
        if not is_visible(key):
            raise ValueError(
                f"unique key: expected printable characters, found '{visible(key)}'"
            )
        if key.startswith(KEY_PREFIX):
            raise ValueError(
                f"unique key: {KEY_PREFIX!r} begins the keys of scheduled jobs, found {key!r}"
            )
        if on_conflict not in ("existing", "raise"):  # pyright: ignore[reportUnnecessaryContains] - untyped callers
            found = value_text(on_conflict)
            raise ValueError(
                f"unique: on_conflict: expected 'existing' or 'raise', found {found}"
            )
        return self._with(unique_key=key, refuses_duplicates=on_conflict == "raise")

    def with_metadata(self, **values: str) -> "JobRequest":
        """Let the job carry small texts beside its arguments, such as a trace context.

        `Job.metadata` gives them back. They go through no handler and are not secret: what is
        in them may be shown. Keys that were given before keep what is not said anew.
        """
        merged = {**dict(self.options.metadata), **values}
        return self._with(metadata=tuple(sorted(merged.items())))

    def _with(self, **changes: Any) -> "JobRequest":
        return evolve(self, options=evolve(self.options, **changes))


def check_priority(level: object) -> None:
    """Expect a priority that every database can keep."""
    if type(level) is not int or not -LOWEST_PRIORITY <= level <= LOWEST_PRIORITY:
        raise ValueError(
            f"priority: expected a whole number from {-LOWEST_PRIORITY} to "
            f"{LOWEST_PRIORITY}, found {number_text(level)}"
        )


def _check_time(at: object, after: object) -> None:
    """Expect one of an instant and a delay, not both."""
    if at is not None and after is not None:
        raise ValueError("expected one of available_at and available_in, found both")
    if after is None:
        as_instant("available_at", cast("datetime", at))
    elif not isinstance(after, timedelta):
        raise TypeError(f"available_in: expected a timedelta, found {type(after).__name__}")
    else:
        check_delay("available_in", after.total_seconds())


def _check_metadata(metadata: object) -> None:
    if not isinstance(metadata, tuple):
        found = type(metadata).__name__
        raise TypeError(f"metadata: expected a tuple of pairs of texts, found {found}")
    pairs = cast("tuple[object, ...]", metadata)
    length = sum(_length_of_pair(pair) for pair in pairs)
    if length > LONGEST_METADATA:
        raise ValueError(
            f"metadata: expected at most {LONGEST_METADATA:,} characters, found {length:,}"
        )


def _length_of_pair(pair: object) -> int:
    parts: Any = pair
    if not isinstance(pair, tuple) or len(parts) != 2:  # noqa: PLR2004 - a key and a value
        raise TypeError(f"metadata: expected pairs of texts, found {type(parts).__name__}")
    key, value = parts
    _check_text("metadata: a key", key, LONGEST_NAME)
    if not is_visible(key):
        raise ValueError(
            f"metadata: a key: expected printable characters, found '{visible(key)}'"
        )
    return len(str(key)) + len(check_storable(f"metadata {key!r}", value))


def _check_text(what: str, text: object, longest: int) -> None:
    """Expect a text that is short enough for an index and that every database stores."""
    found = check_storable(what, text)
    if not 1 <= len(found) <= longest:
        raise ValueError(f"{what}: expected 1 to {longest} characters, found {len(found)}")


def _check_size(payload: str) -> None:
    # A character has 1 to 4 bytes, so most texts need not be encoded to be counted.
    if 4 * len(payload) <= LARGEST_PAYLOAD or (
        payload.isascii() and len(payload) <= LARGEST_PAYLOAD
    ):
        return
    size = len(payload.encode())
    if size > LARGEST_PAYLOAD:
        raise ValueError(
            f"payload: expected at most {LARGEST_PAYLOAD:,} bytes of UTF-8, found {size:,}"
        )
