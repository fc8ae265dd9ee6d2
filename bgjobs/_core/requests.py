"""Requests for jobs that are not stored yet. They are checked when they are made."""

from datetime import datetime, timedelta
from math import inf
from typing import Any, Generic, Literal, cast, final

from attrs import evolve, field, frozen

from bgjobs._core.generics import R_co
from bgjobs._core.occurrences import KEY_PREFIX, Occurrence
from bgjobs._core.text import check_storable, is_visible, number_text, value_text, visible
from bgjobs._core.timestamps import as_instant, check_delay, check_number

LOWEST_PRIORITY = 32_767
"""Priorities are -32,767 to 32,767, a `smallint` of SQL; jobs with lower ones run first."""
LONGEST_NAME = 200
"""Characters in the name of a worker, which both databases index."""
LONGEST_KEY = 200
"""Characters in a unique key, without the prefix of scheduled jobs; it is indexed, too."""
LARGEST_PAYLOAD = 1_048_576
"""Bytes of UTF-8 in one payload."""
LONGEST_METADATA = 4_000
"""Characters of all metadata of a job together; each read of the job reads them."""


@final
@frozen
class JobOptions:
    """When and how a requested job runs."""

    available_at: datetime | None = None
    available_in: timedelta | None = None
    priority: int = 0
    unique_key: str | None = None
    occurrence: Occurrence | None = None
    """The occurrence that it serves; set by the runtime for scheduled jobs."""
    metadata: tuple[tuple[str, str], ...] = ()
    refuses_duplicates: bool = False
    """Whether it is an error if another job has the unique key."""

    def __attrs_post_init__(self) -> None:
        # Every request passes here, so defaults are not checked.
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


DEFAULT_OPTIONS = JobOptions()
"""The options of a request that was only made, and the most frequent ones by far."""


@final
@frozen
class JobRequest(Generic[R_co]):
    """A request for a job, made by `Worker.request`; nothing is stored before it is enqueued.

    A request is an immutable value. Its methods return changed copies. It can be enqueued any
    number of times, each time as another job.
    """

    name: str
    """The name of the worker that runs the job."""
    payload: str = field(repr=False)
    """The arguments as JSON text."""
    options: JobOptions = DEFAULT_OPTIONS
    """What the methods below set."""

    def __attrs_post_init__(self) -> None:
        # SQLite and PostgreSQL treat other texts differently: one stores only what precedes a
        # NUL.
        _check_text("name", self.name, LONGEST_NAME)
        check_storable("payload", self.payload)
        _check_size(self.payload)
        if not isinstance(self.options, JobOptions):  # pyright: ignore[reportUnnecessaryIsInstance] - untyped callers
            found = type(self.options).__name__
            raise TypeError(f"options: expected JobOptions, found {found}")

    def available_at(self, moment: datetime) -> "JobRequest[R_co]":
        """Return a request for a job that runs at `moment` or later.

        It replaces an earlier `available_at` or `available_in`.

        Args:
            moment: An aware datetime. One in the past means that the job is due at once.

        Raises:
            TypeError: `moment` is not a datetime.
            NaiveDatetimeError: `moment` has no time zone.
            ValueError: In UTC, `moment` is not within the years 1 to 9999.
        """
        instant = as_instant("available_at", moment)
        return self._with(available_at=instant, available_in=None)

    def available_in(
        self, *, seconds: float = 0, minutes: float = 0, hours: float = 0, days: float = 0
    ) -> "JobRequest[R_co]":
        """Return a request for a job that runs after a delay; the parts are added up.

        The clock of the database counts the delay from when the job is enqueued. It replaces an
        earlier `available_at` or `available_in`.

        Raises:
            TypeError: A part is not a number.
            ValueError: The sum is negative, longer than 36,500 days, or NaN.
        """
        parts = {"seconds": seconds, "minutes": minutes, "hours": hours, "days": days}
        for name, value in parts.items():
            check_number(f"available_in: {name}", value)
        try:
            wait = seconds + 60 * (minutes + 60 * (hours + 24 * days))
        except OverflowError:  # an int that no float can hold
            wait = inf
        delay = check_delay("available_in", wait)
        return self._with(available_at=None, available_in=delay)

    def priority(self, level: int) -> "JobRequest[R_co]":
        """Return a request with a priority; the default is 0.

        Args:
            level: -32,767 to 32,767. Of the jobs that are due, those with lower numbers run
                first.

        Raises:
            ValueError: `level` is out of bounds or not an int.
        """
        check_priority(level)
        return self._with(priority=level)

    def unique(
        self, key: str, *, on_conflict: Literal["existing", "raise"] = "existing"
    ) -> "JobRequest[R_co]":
        """Return a request that is stored only if no live job of this worker has the same key.

        A job is live while it waits or runs; when it has ended, the key is free again.

        Args:
            key: 1 to 200 printable characters that do not begin with ``schedule:``.
            on_conflict: What `enqueue` does if a live job has the key. ``"existing"``: it
                stores nothing and returns that job. ``"raise"``: it raises `DuplicateJobError`,
                and stores nothing of the call, not even the other jobs of an `enqueue_many`.

        Raises:
            TypeError: `key` is not a text.
            ValueError: `key` or `on_conflict` is not as described.
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

    def with_metadata(self, /, **values: str) -> "JobRequest[R_co]":
        """Return a request with texts beside the arguments, such as a trace context.

        They are stored as `Job.metadata` and are not passed to the handler. Command line, logs
        and admin pages may show them, so they must not be secret.

        Args:
            values: Texts by key, at most 4,000 characters together. They are added to those of
                earlier calls, and replace the values of the same keys.

        Raises:
            TypeError: A value is not a text.
            ValueError: A text is too long, or a database cannot store it.
        """
        merged = {**dict(self.options.metadata), **values}
        return self._with(metadata=tuple(sorted(merged.items())))

    def _with(self, **changes: Any) -> "JobRequest[R_co]":
        return evolve(self, options=evolve(self.options, **changes))


def check_priority(level: object) -> None:
    """Expect a priority that every database can store."""
    if type(level) is not int or not -LOWEST_PRIORITY <= level <= LOWEST_PRIORITY:
        raise ValueError(
            f"priority: expected a whole number from {-LOWEST_PRIORITY} to "
            f"{LOWEST_PRIORITY}, found {number_text(level)}"
        )


def _check_time(at: object, after: object) -> None:
    """Expect either an instant or a delay, not both."""
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
    """Expect a text that every database can store and that is short enough for an index."""
    found = check_storable(what, text)
    if not 1 <= len(found) <= longest:
        raise ValueError(f"{what}: expected 1 to {longest} characters, found {len(found)}")


def _check_size(payload: str) -> None:
    # A character has at most 4 bytes, so short texts need not be encoded to be counted.
    if 4 * len(payload) <= LARGEST_PAYLOAD or (
        payload.isascii() and len(payload) <= LARGEST_PAYLOAD
    ):
        return
    size = len(payload.encode())
    if size > LARGEST_PAYLOAD:
        raise ValueError(
            f"payload: expected at most {LARGEST_PAYLOAD:,} bytes of UTF-8, found {size:,}"
        )
