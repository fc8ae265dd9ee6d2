"""Wrong values for an annotation, and valid ones for the other arguments of a call."""

import inspect
import math
import os
import sqlite3
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from types import CoroutineType, NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin
from unittest.mock import Mock
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
from attrs import frozen

import bgjobs
from bgjobs import schedules, web
from bgjobs._core.activity import LENGTH, activity_of
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job, StoredJob
from bgjobs._runtime.admin.by_filter import Waiting
from bgjobs.events import JobSucceeded
from bgjobs.telemetry import Telemetry
from bgjobs.testing import Recorder, VirtualClock
from bgjobs.web.auth.passwords import PasswordHash
from tests.misuse.public_api import Callee

LARGEST = 10**6
"""Numbers above it are wrong."""
ITERABLES = (Iterable, Collection, Sequence, tuple, list)


@bgjobs.worker
async def greet(name: str = "Ada") -> None: ...


async def coroutine() -> None: ...


def plain(_: object = None) -> None: ...


async def deferred(_: object = None) -> None: ...


def generator(_: object = None) -> Iterator[None]:
    yield


@frozen
class Wrong:
    """A wrong value, which is made for each call, as a coroutine can be used once."""

    label: str
    make: Callable[[], Any]


def _same(label: str, value: object) -> Wrong:
    return Wrong(label, lambda: value)


AHEAD, BEHIND = timezone(timedelta(hours=14)), timezone(-timedelta(hours=12))
POOL = (
    _same("None", None),
    _same("a text", "text"),
    _same("an empty text", ""),
    _same("a text with NUL", "a\0b"),
    _same("a lone surrogate", "\ud800"),
    _same("bytes", b"bytes"),
    _same("5", 5),
    _same("-1", -1),
    _same("10**400", 10**400),
    _same("-(10**400)", -(10**400)),
    _same("10**5000", 10**5000),
    _same("True", True),
    _same("1.5", 1.5),
    _same("-0.5", -0.5),
    _same("nan", math.nan),
    _same("inf", math.inf),
    _same("-inf", -math.inf),
    _same("a Decimal", Decimal("NaN")),
    _same("a date", date(2030, 1, 1)),
    _same("a datetime without a zone", datetime(2030, 1, 1)),  # noqa: DTZ001 - a wrong value
    _same("the first datetime, ahead", datetime.min.replace(tzinfo=AHEAD)),
    _same("the last datetime, behind", datetime.max.replace(tzinfo=BEHIND)),
    _same("timedelta.max", timedelta.max),
    _same("timedelta.min", timedelta.min),
    _same("-1 second", timedelta(seconds=-1)),
    _same("a list", [5]),
    _same("a dict", {"key": 5}),
    _same("an object", object()),
    _same("a class", bgjobs.Config),
    _same("a worker", greet),
    _same("a request", greet.request()),
    _same("a function", plain),
    _same("an async function", deferred),
    _same("a generator function", generator),
    Wrong("a mock", Mock),
    Wrong("a coroutine", coroutine),
)


def wrong_for(annotation: Any) -> Iterator[Wrong]:
    """Yield the values that do not fit an annotation, also as items of a list."""
    yield from (wrong for wrong in POOL if not fits(annotation, wrong))
    for member in members(annotation):
        kind = get_origin(member) or member
        if kind in ITERABLES:
            yield from map(_listed, wrong_for(get_args(member)[0]))


def _listed(wrong: Wrong) -> Wrong:
    return Wrong(f"a list of {wrong.label}", lambda: [wrong.make()])


def members(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the annotation itself."""
    is_union = get_origin(annotation) in (Union, UnionType)
    return get_args(annotation) if is_union else (annotation,)


def fits(annotation: Any, wrong: Wrong) -> bool:
    """Whether a value fits an annotation."""
    value = wrong.make()
    try:
        return any(_is_right(member, value) for member in members(annotation))
    finally:
        discard(value)


def discard(value: object) -> None:
    """Close a coroutine that was never awaited."""
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, CoroutineType):
            one.close()


def _is_right(annotation: Any, value: Any) -> bool:
    kind = get_origin(annotation) or annotation
    if kind is Literal:
        return any(type(one) is type(value) and one == value for one in get_args(annotation))
    if kind is Callable:
        return _is_right_function(get_args(annotation)[-1], value)
    if kind in ITERABLES:
        return _is_right_iterable(get_args(annotation)[0], value)
    if kind in MEANT:
        return type(value) in MEANT[kind].types and MEANT[kind].is_meant(value)
    return _is_open(kind) or _is_instance(value, kind)


def _is_open(kind: Any) -> bool:
    return isinstance(kind, TypeVar) or kind in (Any, object)


def _is_instance(value: object, kind: Any) -> bool:
    if getattr(kind, "_is_protocol", False):
        return isinstance(value, Mock)  # a mock has every attribute
    return issubclass(type(value), NoneType if kind is None else kind)


def _is_right_iterable(entry: Any, value: Any) -> bool:
    is_iterable = isinstance(value, Iterable) and not isinstance(value, str | bytes)
    return is_iterable and all(
        any(_is_right(member, one) for member in members(entry)) for one in cast("Any", value)
    )


@frozen
class Meant:
    """The valid values of a type."""

    types: tuple[type, ...]
    is_meant: Callable[[Any], bool]


def _is_text(value: str) -> bool:
    return value.isprintable() and value != ""


def _is_number(value: float) -> bool:
    return 0 <= value <= LARGEST  # false for NaN


def _is_instant(value: datetime) -> bool:
    return value.tzinfo is not None and MINYEAR < value.year < MAXYEAR


def _is_span(value: timedelta) -> bool:
    return timedelta(0) <= value < timedelta.max


MEANT: dict[Any, Meant] = {
    str: Meant((str,), _is_text),
    int: Meant((int,), _is_number),
    float: Meant((int, float), _is_number),
    bool: Meant((bool,), lambda _: True),
    datetime: Meant((datetime,), _is_instant),
    timedelta: Meant((timedelta,), _is_span),
}


def _is_right_function(returned: Any, value: Any) -> bool:
    kinds = {get_origin(member) or member for member in members(returned)}
    if not callable(value) or isinstance(value, Mock):
        return callable(value)
    if any(map(_is_open, kinds)):
        return True
    if isinstance(value, type) or inspect.isgeneratorfunction(value):
        return False
    is_async = isinstance(value, bgjobs.Worker) or inspect.iscoroutinefunction(value)
    return Awaitable in kinds or not is_async


NOW = datetime(2030, 1, 1, tzinfo=UTC)
JOB = Job(id=new_id(), name="greet", payload="{}", created_at=NOW, available_at=NOW)


def _closed() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.close()
    return connection


CONFIG = bgjobs.Config(store=bgjobs.SQLiteStore(":memory:"), enqueue_only=[greet])
PASSWORD_HASH = PasswordHash(14, 8, 1, salt=bytes(16), digest=bytes(32)).text()
RIGHT: dict[Any, Any] = {
    bool: True,
    int: 5,
    float: 1.5,
    str: "text",
    datetime: NOW,
    timedelta: timedelta(seconds=1),
    UUID: JOB.id,
    ZoneInfo: ZoneInfo("UTC"),
    os.PathLike: ":memory:",
    Callable: plain,
    type: JobSucceeded,
    Job: JOB,
    StoredJob: JOB,
    bgjobs.Activity: activity_of("greet", NOW, [1] * LENGTH),
    bgjobs.Config: CONFIG,
    bgjobs.JobContext: bgjobs.JobContext(JOB),
    bgjobs.JobFilter: bgjobs.JobFilter("failed"),
    bgjobs.JobFilter[Waiting]: bgjobs.JobFilter("waiting"),
    bgjobs.JobRequest: greet.request(),
    bgjobs.Page: bgjobs.Page(),
    bgjobs.Queue: bgjobs.Queue("q", workers=[greet]),
    bgjobs.Schedule: bgjobs.every(days=1),
    bgjobs.ScheduledJob: bgjobs.ScheduledJob(greet, bgjobs.every(days=1), name="another"),
    bgjobs.Store: bgjobs.SQLiteStore(":memory:"),
    bgjobs.Worker: greet,
    bgjobs.SQLiteStore: bgjobs.SQLiteStore(":memory:"),
    bgjobs.PostgresStore: bgjobs.PostgresStore("postgresql://nowhere/db"),
    schedules.AnyOf: bgjobs.every(days=1) | schedules.from_cron("0 8 * * *"),
    schedules.Calendar: schedules.from_cron("0 8 * * *"),
    schedules.Interval: bgjobs.every(days=1),
    schedules.ScheduleBuilder: bgjobs.schedule(),
    # Not connected: they are not used before all arguments are checked.
    sqlite3.Connection: _closed(),
    psycopg.Connection: psycopg.Connection.__new__(psycopg.Connection),
    psycopg.AsyncConnection: psycopg.AsyncConnection.__new__(psycopg.AsyncConnection),
    Recorder: Recorder(),
    Telemetry: Telemetry(),
    VirtualClock: VirtualClock(),
    web.WebApp: web.app(CONFIG, auth=plain),
    Mapping[str, str]: {"ada": PASSWORD_HASH},
}


BY_NAME = {
    "state": "failed",
    "conninfo_or_pool": "postgresql://nowhere/db",
    "text": "0 8 * * *",
    "lines": [""],
    "beginning": "019c2f0e",
}
"""The values of parameters whose annotation is too general."""


def arguments(
    callee: Callee, wrong: str, value: Any, more: Mapping[Any, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Return the required arguments of a call, and one wrong value."""
    known = {**RIGHT, **more}
    args = [] if callee.owner is None else [_right(callee.owner, known)]
    kwargs = dict[str, Any]()
    for one in callee.parameters:
        is_needed = one.default is one.empty and one.kind is not one.VAR_KEYWORD
        if one.name != wrong and not is_needed:
            continue
        given = value if one.name == wrong else right(one, known)
        if one.kind is one.VAR_KEYWORD:
            kwargs["key"] = given
        elif one.kind is one.KEYWORD_ONLY or one.default is not one.empty:
            kwargs[one.name] = given
        else:
            args.append(given)
    return args, kwargs


def right(parameter: inspect.Parameter, known: Mapping[Any, Any] = RIGHT) -> Any:
    """Return a valid value for a parameter."""
    if parameter.name in BY_NAME:
        return BY_NAME[parameter.name]
    return _right(parameter.annotation, known)


def _right(annotation: Any, known: Mapping[Any, Any]) -> Any:
    for member in members(annotation):
        kind = get_origin(member) or member
        for one in (member, kind):
            if one in known:
                return known[one]
        if kind is Literal:
            return get_args(member)[0]
        if kind in ITERABLES:
            return [_right(get_args(member)[0], known)]
        if kind is Any:
            return None
    raise LookupError(f"no valid value for {annotation}: add one to tests/misuse/values.py")
