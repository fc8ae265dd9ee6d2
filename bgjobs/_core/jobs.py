"""Jobs as values: what is asked for, what is stored, who holds it, how it ended."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from math import inf
from typing import Any, Literal, cast, final
from uuid import UUID

from attrs import evolve, field, frozen

from bgjobs._core.occurrences import KEY_PREFIX, Occurrence
from bgjobs._core.text import is_visible, number_text, value_text, visible
from bgjobs._core.timestamps import as_instant

LOWEST_PRIORITY = 32_767
"""Priorities run from -32,767 to 32,767, the small integer of SQL; lower runs first."""
LONGEST_NAME = 200
"""Characters in the name of a worker; both databases index it."""
LONGEST_KEY = 200
"""Characters in a unique key, without the prefix of scheduled jobs; it is indexed too."""
CANCELLED = "Cancelled: "
"""How the error of a job begins that an operator has cancelled."""
LARGEST_PAYLOAD = 1_048_576
"""Bytes of UTF-8 in one payload."""
LONGEST_METADATA = 4_000
"""Characters of all metadata of a job together; it is read with the job each time."""
LONGEST_DELAY = timedelta(days=36_500)
"""A hundred years: every calendar here can count so far ahead, and so far back."""
LARGEST_WHOLE = 2**31 - 1
"""No count and no limit is larger; both databases can still add to it."""
LARGEST_COUNT = 2**30 - 1
"""No counter of a stored job is larger, and both databases can still add to it."""


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
            _check_number(f"available_in: {name}", value)
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


@final
@frozen
class AttemptError:
    """What one attempt of a job raised."""

    attempt: int
    failed_at: datetime
    error: str = field(repr=False)
    """Type, message and traceback as text, cut to 8 KiB."""
    reserved_at: datetime | None = None
    """When it was reserved for this attempt; None for those of earlier versions."""


@final
@frozen
class Reservation:
    """Who holds a job: the fence that every write about a reserved job carries.

    `number` is raised by every reservation and lowered by nothing, so a holder that was
    declared dead cannot be taken for the one that followed it.
    """

    job_id: UUID
    owner: UUID
    number: int


@frozen(kw_only=True)
class StoredJob:
    """What every stored job has, live or ended."""

    id: UUID
    name: str
    """The name of its worker."""
    payload: str = field(repr=False)
    """The arguments as JSON text."""
    priority: int = 0
    attempts: int = 0
    """How many runs have raised so far; the number of the run that goes on, from 0."""
    crashes: int = 0
    """How many times its holder died while holding it."""
    interruptions: int = 0
    """How many times a holder that was stopped handed it back."""
    reservations: int = 0
    """How many times it was reserved."""
    created_at: datetime
    available_at: datetime
    reserved_at: datetime | None = None
    reserved_by: UUID | None = None
    unique_key: str | None = None
    errors: tuple[AttemptError, ...] = ()
    """What the attempts raised, oldest first; at most the last 20."""
    occurrence: Occurrence | None = None
    """Which time of a schedule it serves; None for a job that was enqueued by hand."""
    metadata: Mapping[str, str] = field(factory=dict[str, str], hash=False)
    """What `JobRequest.with_metadata` gave it."""


@final
@frozen(kw_only=True)
class Job(StoredJob):
    """A live job: waiting, delayed or reserved."""

    @property
    def reservation(self) -> Reservation:
        """The reservation that holds this job; `ValueError` when nobody does."""
        if self.reserved_by is None:
            raise ValueError(f"job {self.id} is not reserved")
        return Reservation(self.id, self.reserved_by, self.reservations)


@final
@frozen(kw_only=True)
class SucceededJob(StoredJob):
    """A job whose handler returned."""

    succeeded_at: datetime


@final
@frozen(kw_only=True)
class FailedJob(StoredJob):
    """A job that will not run again: out of retries, discarded, or too many crashes."""

    error: str = field(repr=False)
    """Why it ended: the last error, the reason of `Discard`, or which limit was passed."""
    failed_at: datetime


@final
@frozen(kw_only=True)
class UnreadableJob:
    """A stored row that is no job: another program wrote it, another version, or a hand.

    It is not run, and not counted among jobs of any state. bgjobs moves it to a table of its
    own, where it stays until it is deleted, or can be read and is put back.
    """

    id: UUID
    """By which operators find it; that of the job, unless that is none or taken."""
    table: Literal["jobs", "jobs_succeeded", "jobs_failed"]
    """Where the row was stored."""
    reason: str
    """Which column cannot be read, and what was expected there; never its value."""
    columns: Mapping[str, str | int | None] = field(repr=False, hash=False)
    """The columns as they are stored; a text is cut after 1,000 characters."""
    found_at: datetime | None = None
    """When it was set apart; None while it still lies in its table."""
    key: tuple[Any, ...] = field(default=(), repr=False, eq=False)
    """How the store finds the row, as long as it has not changed since it was read."""


class Discard(Exception):  # noqa: N818 - an order to the queue, not an error
    """Raise it in a handler to fail the job at once, whatever retries are left."""

    reason: str = ""
    """Also that of a subclass which calls no `__init__` of ours."""

    def __init__(self, reason: str) -> None:
        self.reason = as_reason(reason)
        super().__init__(reason)


class Snooze(Exception):  # noqa: N818 - an order to the queue, not an error
    """Raise it in a handler to put the job back for a while without spending an attempt."""

    delay: timedelta = timedelta(0)
    """Also that of a subclass which calls no `__init__` of ours."""

    def __init__(self, *, for_: float | timedelta) -> None:
        self.delay = as_snooze_delay(for_)
        super().__init__(f"for {self.delay}")

    def __reduce__(self) -> "tuple[Callable[[], Snooze], tuple[()]]":
        return partial(Snooze, for_=self.delay), ()


def as_reason(found: object) -> str:
    """Return the reason of a `Discard` as a text, whatever it is.

    An order is never refused: then the job would be tried again, against the order.
    """
    return str.__str__(found) if isinstance(found, str) else ascii(found)


def as_snooze_delay(found: float | timedelta) -> timedelta:
    """Return the delay of a `Snooze`; `TypeError` or `ValueError` for what is none."""
    seconds = found.total_seconds() if isinstance(found, timedelta) else found
    return check_delay("Snooze", seconds)


def check_delay(what: str, seconds: float) -> timedelta:
    """Give a delay that every calendar here can count."""
    _check_number(what, seconds)
    if not 0 <= seconds <= LONGEST_DELAY.total_seconds():
        raise ValueError(
            f"{what}: expected 0 seconds to {LONGEST_DELAY.days:,} days, "
            f"found {_as_float(seconds):g} seconds"
        )
    return timedelta(seconds=seconds)


def _as_float(number: float) -> float:
    """Return a number as a float, to be shown; infinity if it is beyond all floats."""
    try:
        return float(number)
    except OverflowError:
        return inf if number > 0 else -inf


def _check_number(what: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{what}: expected a number, found {type(value).__name__}")


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


def check_storable(what: str, text: object) -> str:
    """Expect a text that every database stores; it is not shown, as it may be a payload."""
    if not isinstance(text, str):
        raise TypeError(f"{what}: expected str, found {type(text).__name__}")
    if "\0" in text or not (text.isascii() or is_utf8(text)):
        raise ValueError(f"{what}: expected text without NUL and lone surrogates, found one")
    return text


def is_utf8(text: str) -> bool:
    """Whether a text can be encoded: it has no lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
