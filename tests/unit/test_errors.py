"""Errors say what was expected and what was found, and survive a process boundary."""

import inspect
import pickle
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve

from bgjobs import errors
from bgjobs._core.jobs import CancelledJob, FailedJob, UnreadableJob
from bgjobs.errors import (
    AmbiguousScheduleError,
    BgJobsError,
    ChildCancelledError,
    ChildFailedError,
    ConfigError,
    DuplicateJobError,
    ExportedLineError,
    ForkedStoreError,
    JobCancelledError,
    JobFailedError,
    LeaseLostError,
    NaiveDatetimeError,
    NestedTooDeeplyError,
    NoOccurrenceError,
    NotRunningError,
    NoWorkerForJobError,
    ParentLostError,
    PayloadError,
    ResultError,
    RowRefusedError,
    ScheduleProblem,
    ScheduleValidationError,
    SchemaMismatchError,
    SearchError,
    StoreError,
    StoreUnavailableError,
    TooManyWaitingError,
    UnknownJobError,
    UnknownNameError,
    UnreadableJobError,
    WorkerDefinitionError,
)

NAIVE = datetime(2030, 1, 2, 3, 4)  # noqa: DTZ001 - the point of the error

UNREADABLE = UnreadableJob(
    id=UUID(int=7), table="jobs", reason="metadata: expected texts", columns={}
)
AT = datetime(2030, 1, 2, tzinfo=UTC)
FAILED = FailedJob(
    id=UUID(int=8),
    name="mail",
    payload="{}",
    created_at=AT,
    available_at=AT,
    failed_at=AT,
    error="OSError: no route\nTraceback ...",
)
CANCELLED = CancelledJob(
    id=UUID(int=9),
    name="mail",
    payload="{}",
    created_at=AT,
    available_at=AT,
    cancelled_at=AT,
    reason="not wanted",
    cancelled_by="ann",
)
HOUR = ScheduleProblem("hour", "out_of_bounds", 24, "Hours must be ...", (0, 23))
ZONE = ScheduleProblem("timezone", "unknown_zone", "X", "Time zone must be ...")

CASES: list[tuple[BgJobsError, str, dict[str, Any]]] = [
    (BgJobsError("on purpose"), "on purpose", {}),
    (
        ConfigError(["queue 'q': workers: expected at least one, found none"]),
        "invalid configuration: queue 'q': workers: expected at least one, found none",
        {"problems": ("queue 'q': workers: expected at least one, found none",)},
    ),
    (
        ConfigError(iter(["one thing", "another"])),
        "invalid configuration, 2 problems:\n  - one thing\n  - another",
        {"problems": ("one thing", "another")},
    ),
    (
        ResultError("total", ["result.items[2]: expected int, found str"]),
        "worker 'total': result.items[2]: expected int, found str",
        {"worker": "total", "problems": ("result.items[2]: expected int, found str",)},
    ),
    (
        JobFailedError(FAILED),
        f"job {FAILED.id} of worker 'mail' failed: OSError: no route",
        {"job": FAILED},
    ),
    (
        JobCancelledError(CANCELLED),
        f"job {CANCELLED.id} of worker 'mail' was cancelled by ann: not wanted",
        {"job": CANCELLED},
    ),
    (
        JobCancelledError(evolve(CANCELLED, cancelled_by=None)),
        f"job {CANCELLED.id} of worker 'mail' was cancelled: not wanted",
        {"job": evolve(CANCELLED, cancelled_by=None)},
    ),
    (
        ChildFailedError(FAILED),
        f"job {FAILED.id} of worker 'mail' failed: OSError: no route",
        {"job": FAILED},
    ),
    (
        ChildCancelledError(CANCELLED),
        f"job {CANCELLED.id} of worker 'mail' was cancelled by ann: not wanted",
        {"job": CANCELLED},
    ),
    (
        ParentLostError("job 7"),
        "job 7: it does not hold its lease any longer, so nothing was changed",
        {"parent": "job 7"},
    ),
    (
        TooManyWaitingError("mail", 1000),
        "queue 'mail': 1000 handlers wait for children already, as many as max_waiting allows",
        {"queue": "mail", "most": 1000},
    ),
    (
        NestedTooDeeplyError(FAILED.id, 100),
        (
            f"job {FAILED.id}: 100 levels of nurseries are above it already, as many as are "
            "possible, so it starts no child"
        ),
        {"job_id": FAILED.id, "most": 100},
    ),
    (
        WorkerDefinitionError("mail", "expected a function, found int"),
        "worker 'mail': expected a function, found int",
        {"worker": "mail", "problem": "expected a function, found int"},
    ),
    (
        ScheduleValidationError([HOUR]),
        "invalid schedule: Hours must be ...",
        {"problems": (HOUR,)},
    ),
    (
        ScheduleValidationError(iter([HOUR, ZONE])),
        "invalid schedule, 2 problems:\n  - Hours must be ...\n  - Time zone must be ...",
        {"problems": (HOUR, ZONE)},
    ),
    (
        NoOccurrenceError("every 1ms", datetime(9999, 12, 31, tzinfo=UTC)),
        "schedule 'every 1ms' has no occurrence after 9999-12-31T00:00:00+00:00",
        {"schedule": "every 1ms", "after": datetime(9999, 12, 31, tzinfo=UTC)},
    ),
    (
        PayloadError("mail", iter(["to: expected str, found int", "copies: missing"])),
        "payload of worker 'mail': to: expected str, found int; copies: missing",
        {"worker": "mail", "problems": ("to: expected str, found int", "copies: missing")},
    ),
    (
        NaiveDatetimeError("available_at", NAIVE),
        (
            "available_at: expected a datetime with a time zone, "
            "found datetime.datetime(2030, 1, 2, 3, 4)"
        ),
        {"what": "available_at", "found": NAIVE},
    ),
    (
        NoWorkerForJobError("mail", ["tell", "clean"]),
        "no worker for job 'mail'; known workers: 'clean', 'tell'",
        {"name": "mail", "known": ("clean", "tell")},
    ),
    (
        DuplicateJobError("mail", "customer-7", UUID(int=7)),
        (
            "job 00000000-0000-0000-0000-000000000007 of worker 'mail' has the unique key "
            "'customer-7'"
        ),
        {"name": "mail", "unique_key": "customer-7", "holder": UUID(int=7)},
    ),
    (
        DuplicateJobError("mail", "customer-7", None),
        (
            "two requests of one call for worker 'mail' have the unique key 'customer-7'; "
            "nothing of this call was stored"
        ),
        {"name": "mail", "unique_key": "customer-7", "holder": None},
    ),
    (
        UnknownJobError(UUID(int=7)),
        "no job 00000000-0000-0000-0000-000000000007: it was never stored, or it was pruned",
        {"job_id": UUID(int=7)},
    ),
    (
        UnreadableJobError(UNREADABLE),
        (
            "job 00000000-0000-0000-0000-000000000007 cannot be read: metadata: expected "
            "texts; its row was written by another program or version: delete it, or repair "
            "it and retry the job"
        ),
        {"job": UNREADABLE},
    ),
    (RowRefusedError("SQLite jobs.db: no"), "SQLite jobs.db: no", {}),
    (
        ExportedLineError(3, "expected 'name', found none"),
        "line 3: expected 'name', found none",
        {"number": 3, "problem": "expected 'name', found none"},
    ),
    (
        SearchError("a word of letters or digits", "'*'"),
        "search: expected a word of letters or digits, found '*'",
        {"expected": "a word of letters or digits", "found": "'*'"},
    ),
    (
        AmbiguousScheduleError("nightly", ["b", "a"]),
        (
            "scheduled job 'nightly' exists for the workers a, b; use an application whose "
            "configuration has the one that you mean"
        ),
        {"name": "nightly", "workers": ("a", "b")},
    ),
    (
        UnknownNameError("queue", "defualt", ["second", "default"]),
        "no queue 'defualt'; known queues: 'default', 'second', did you mean 'default'?",
        {"kind": "queue", "name": "defualt", "known": ("default", "second")},
    ),
    (
        NotRunningError(),
        "this BgJobs or Client has ended: use it inside its 'async with' block",
        {"removed": None},
    ),
    (
        NotRunningError("purge"),
        "scheduled job 'purge' was removed: look up or add another one",
        {"removed": "purge"},
    ),
    (
        LeaseLostError("mails"),
        "queue 'mails': the lease could not be renewed in time",
        {"queue": "mails", "reason": ""},
    ),
    (
        LeaseLostError("mails", "away"),
        "queue 'mails': the lease could not be renewed in time; the last try: away",
        {"queue": "mails", "reason": "away"},
    ),
    (StoreError("no such table"), "no such table", {}),
    (StoreUnavailableError("database is locked"), "database is locked", {}),
    (RowRefusedError("CHECK constraint failed"), "CHECK constraint failed", {}),
    (
        SchemaMismatchError("SQLite jobs.db", 0, 1),
        (
            "SQLite jobs.db: expected schema version 1, found 0; "
            "run store.migrate(), or let Config(migrate=True) do it at start"
        ),
        {"store": "SQLite jobs.db", "found": 0, "expected": 1},
    ),
    (
        SchemaMismatchError("SQLite jobs.db", 7, 1),
        (
            "SQLite jobs.db: expected schema version 1, found 7; "
            "it was made by a newer version of bgjobs: upgrade this program"
        ),
        {"store": "SQLite jobs.db", "found": 7, "expected": 1},
    ),
    (
        ForkedStoreError("SQLite jobs.db", 10, 11),
        (
            "SQLite jobs.db: opened in process 10, used in its fork 11; "
            "open a store of its own in the child"
        ),
        {"store": "SQLite jobs.db", "opened_in": 10, "used_in": 11},
    ),
]


@pytest.mark.parametrize(("error", "text", "facts"), CASES, ids=lambda one: type(one).__name__)
def test_an_error_has_its_text_and_its_facts(
    error: BgJobsError, text: str, facts: dict[str, Any]
) -> None:
    assert str(error) == text
    assert {name: getattr(error, name) for name in facts} == facts
    assert vars(error) == facts


@pytest.mark.parametrize("error", [one for one, _, _ in CASES], ids=str)
def test_an_error_survives_pickling(error: BgJobsError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert again.args == error.args
    assert vars(again) == vars(error)
    assert str(again) == str(error)


def test_every_class_is_among_the_cases() -> None:
    defined = {
        one
        for _, one in inspect.getmembers(errors, inspect.isclass)
        if one.__module__.startswith(f"{errors.__name__}.") and issubclass(one, BaseException)
    }
    assert defined == {type(error) for error, _, _ in CASES}


def test_every_class_is_in_the_tree_of_the_docstring() -> None:
    assert errors.__doc__ is not None
    assert [
        type(error).__name__
        for error, _, _ in CASES
        if type(error).__name__ not in errors.__doc__
    ] == []


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        (ConfigError, ValueError),
        (WorkerDefinitionError, TypeError),
        (PayloadError, ValueError),
        (NaiveDatetimeError, ValueError),
        (NoWorkerForJobError, LookupError),
        (SearchError, ValueError),
        (AmbiguousScheduleError, LookupError),
        (UnknownNameError, LookupError),
        (UnknownJobError, LookupError),
        (ExportedLineError, ValueError),
        (NotRunningError, RuntimeError),
        (StoreUnavailableError, StoreError),
        (SchemaMismatchError, StoreError),
        (ForkedStoreError, StoreError),
    ],
)
def test_an_error_has_the_matching_base_class_of_python(
    kind: type[Exception], base: type[Exception]
) -> None:
    assert issubclass(kind, base)
    assert issubclass(kind, BgJobsError)


def test_only_temporary_errors_are_unavailable() -> None:
    """The runtime retries after this error, so a permanent one must not have its class."""
    assert not issubclass(SchemaMismatchError, StoreUnavailableError)
    assert not issubclass(ForkedStoreError, StoreUnavailableError)


def test_without_known_names_the_error_states_that() -> None:
    assert (
        str(NoWorkerForJobError("mail", [])) == "no worker for job 'mail'; there are no workers"
    )


def test_a_long_list_of_names_is_cut_but_the_hint_is_not() -> None:
    known = [f"worker_{number:02}" for number in range(30)]
    error = NoWorkerForJobError("worker_2", known)
    assert error.known == tuple(known)
    assert str(error) == (
        "no worker for job 'worker_2'; known workers: "
        "'worker_00', 'worker_01', 'worker_02', 'worker_03', 'worker_04', "
        "'worker_05', 'worker_06', 'worker_07', 'worker_08', 'worker_09', ..., "
        "did you mean 'worker_29'?"
    )
