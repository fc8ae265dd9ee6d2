"""A right value for each annotation, for all arguments but the one that is wrong."""

import inspect
import os
import sqlite3
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args, get_origin
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg

import bgjobs
from bgjobs import schedules
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job, StoredJob
from bgjobs.events import JobSucceeded
from bgjobs.telemetry import Telemetry
from bgjobs.testing import Recorder, VirtualClock
from tests.misuse.callees import Callee
from tests.misuse.values import ITERABLES, greet, members, plain

NOW = datetime(2030, 1, 1, tzinfo=UTC)
JOB = Job(id=new_id(), name="greet", payload="{}", created_at=NOW, available_at=NOW)


def _closed() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.close()
    return connection


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
    bgjobs.Config: bgjobs.Config(store=bgjobs.SQLiteStore(":memory:"), enqueue_only=[greet]),
    bgjobs.JobContext: bgjobs.JobContext(JOB),
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
    # Connected to nothing: they are not used before all arguments are checked.
    sqlite3.Connection: _closed(),
    psycopg.Connection: psycopg.Connection.__new__(psycopg.Connection),
    psycopg.AsyncConnection: psycopg.AsyncConnection.__new__(psycopg.AsyncConnection),
    Recorder: Recorder(),
    Telemetry: Telemetry(),
    VirtualClock: VirtualClock(),
}


BY_NAME = {
    "state": "failed",
    "conninfo_or_pool": "postgresql://nowhere/db",
    "text": "0 8 * * *",
    "lines": [""],
    "beginning": "019c2f0e",
}
"""Where the annotation does not say enough."""


def arguments(
    callee: Callee, wrong: str, value: Any, more: Mapping[Any, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments of a call with one wrong value, and no more than it needs."""
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
    """Return a right value for a parameter."""
    if parameter.name in BY_NAME:
        return BY_NAME[parameter.name]
    return _right(parameter.annotation, known)


def _right(annotation: Any, known: Mapping[Any, Any]) -> Any:
    for member in members(annotation):
        kind = get_origin(member) or member
        if kind in known:
            return known[kind]
        if kind is Literal:
            return get_args(member)[0]
        if kind in ITERABLES:
            return [_right(get_args(member)[0], known)]
        if kind is Any:
            return None
    raise LookupError(f"no right value for {annotation}: add one to tests/misuse/right.py")
