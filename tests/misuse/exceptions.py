"""What is not asked of the public API, and why: as short as it can be."""

import sqlite3
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

NOT_ASKED: dict[str, str] = {
    "the library makes it, for callers to read": """
        Job SucceededJob FailedJob UnreadableJob Cursor AttemptError Reservation
        Occurrence Cancellation Imported Counts Finding LiveOwner Migration Schema ScheduleState
        UnhandledJobs Preview PreviewLine Drained Ended ScheduleProblem TimelineEntry
        JobContext *Error""",
    "another function makes it, and checks what it is given": """
        BgJobs Admin EventStream QueueControl ScheduledJobControl Worker VirtualRun Custom
        Calendar Interval AnyOf ScheduleBuilder""",
    "the runtime calls it, with what it has made itself": """
        QueueControl.* *Store.[!e]* *.delay delay_of as_backoff log_listener operations_of
        VirtualEventLoop.* serve(task_status=*)""",
    "a protocol": "Store Store.* OperatedStore OperatedStore.* Backoff Clock",
    "its arguments are a handler's: see tests/unit/core/payloads/test_values.py": "Worker.*",
    "an order is never refused: the job would be tried again, against it": "Discard",
    "a mock has all methods of a schedule": "*(schedule=a_mock)",
    "a payload is read where the job runs": "JobRequest(payload=an_empty_text)",
    "only a key needs a character": "JobRequest.with_metadata(values=an_empty_text)",
    "a priority may be below 0": "JobRequest.priority(level=-1) *.change_priority(priority=-1)",
    "what no database stores is replaced": """
        Admin.cancel*(reason=a_text_with_NUL) Admin.cancel*(reason=a_lone_surrogate)""",
    "to libpq it is the database that its environment names": """
        PostgresStore(conninfo_or_pool=an_empty_text)
        PostgresStore(listen_dsn=an_empty_text)""",
    "no job has such a name, so none is found": """
        BgJobs.*(name=an_empty_text) Admin.*(name=an_empty_text)
        *.count(names=a_list_of_an_empty_text)""",
    "a search takes the words of a text": """
        Admin.*(search=a_text_with_NUL) Admin.*(search=a_lone_surrogate)""",
    "behind an empty page is the page itself": "Page.behind(found=an_empty_text)",
    "an empty line is left out": "Admin.import_failed(lines=a_list_of_an_empty_text)",
}
"""Patterns of functions, and of calls."""

UNITS = ("Seconds", "Minutes", "Hours", "Day of month", "Month", "Day of week")
ALIASES: dict[str, tuple[str, ...]] = {
    "request": ("JobRequest",),
    "requests": ("JobRequest",),
    "name": ("queue", "scheduled job", "event loop"),
    "lines": ("line",),
    "values": ("metadata",),
    "instant": ("after",),
    "tz": ("Time zone",),
    "conninfo_or_pool": ("conninfo",),
    **dict.fromkeys(("minutes", "hours", "days"), ("available_in",)),
    **dict.fromkeys(("start", "end", "more", "value", "day", "weekday"), UNITS),
}
"""Other words that an error has for a parameter."""

MEANS: dict[str, Any] = {"SQLiteStore.enqueue_in(connection)": sqlite3.Connection}
"""What an annotation leaves open."""

UNIQUE = ("Config(queues)", "Config(scheduled_jobs)", "Queue(workers)")
"""Of these no two have one name."""


def is_asked(function_or_call: str) -> bool:
    """Whether there is no exception."""
    asked = function_or_call.replace(" ", "_")
    return not any(fnmatchcase(asked, pattern) for pattern in patterns())


def patterns() -> Iterator[str]:
    """Yield the exceptions."""
    for several in NOT_ASKED.values():
        yield from several.split()
