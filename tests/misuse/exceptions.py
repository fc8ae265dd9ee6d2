"""Functions and calls that the tests of misuse leave out, each with its reason."""

import sqlite3
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

EXCEPTIONS: dict[str, str] = {
    "the library creates it, and callers only read it": """
        Job SucceededJob FailedJob CancelledJob UnreadableJob Listing Cursor AttemptError
        Health Reservation Occurrence Cancellation Imported Counts Finding LiveOwner Migration
        Schema ScheduleState UnhandledJobs Preview PreviewLine Drained Ended ScheduleProblem
        Activity RunningProcess TimelineEntry PastReservation PastEnd AuditEntry Progress
        JobContext JobTree Owner *Error""",
    "another function creates it, and checks the arguments": """
        BgJobs Client Admin EventStream QueueControl ScheduleControl ScheduledJobControl
        Worker JobNursery ChildJob VirtualRun Custom Calendar Interval AnyOf ScheduleBuilder""",
    "only the runtime calls it": """
        QueueControl.* *Store.[!e]* *Store.end_with *.delay delay_of as_backoff log_listener
        operations_of JobNursery.leave ChildJob.end VirtualEventLoop.* serve(task_status=*)""",
    "only stores call it": "JobFilter.selects JobFilter.has_metadata",
    "the function `app` creates it, and checks the arguments": "WebApp",
    "only the login calls it": "BasicAuth.find",
    "any text is a password": """
        hash_password(password=a_text_with_NUL) hash_password(password=a_lone_surrogate)""",
    "a protocol": "Store Store.* OperatedStore OperatedStore.* Backoff Clock Clock.*",
    "it takes those of a handler: see tests/unit/core/payloads/test_values.py": "Worker.*",
    "an error would retry the job instead of discarding it": "Discard",
    "a mock has all methods of a schedule": "*(schedule=a_mock)",
    "the payload is validated where the job runs": "JobRequest(payload=an_empty_text)",
    "only a key must not be empty": "JobRequest.with_metadata(values=an_empty_text)",
    "it may be negative": "JobRequest.priority(level=-1) *.change_priority(priority=-1)",
    "characters that no database stores are replaced": """
        Admin.cancel*(reason=a_text_with_NUL) Admin.cancel*(reason=a_lone_surrogate)
        JobContext.*(note=a_text_with_NUL) JobContext.*(note=a_lone_surrogate)""",
    "a note may be empty": "JobContext.*(note=an_empty_text)",
    "any iterable counts": """
        JobContext.progress(items=*text*) JobContext.progress(items=a_lone_surrogate)
        JobContext.progress(items=bytes)""",
    "libpq takes the connection from its environment": """
        PostgresStore(conninfo_or_pool=an_empty_text)
        PostgresStore(listen_dsn=an_empty_text)""",
    "no entry has this author or action, so none is found": """
        Admin.audit(author=an_empty_text) Admin.audit(action=an_empty_text)""",
    "no job has this name, so none is found": """
        BgJobs.*(name=an_empty_text) Admin.*(name=an_empty_text)
        JobFilter(name=an_empty_text) JobFilter(queue=an_empty_text)
        *.count(names=a_list_of_an_empty_text) *.activity(names=a_list_of_an_empty_text)""",
    "a search uses only the words of a text": "JobFilter(search=a_text_with_NUL)",
    "the page after an empty page is the page itself": "Page.behind(found=an_empty_text)",
    "an empty line is skipped": "Admin.import_failed(lines=a_list_of_an_empty_text)",
}
"""Patterns of functions and of calls, by their reason."""

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
"""Other words for a parameter that an error may use."""

MEANS: dict[str, Any] = {
    "SQLiteStore.enqueue_in(connection)": sqlite3.Connection,
    "JobContext.progress(items)": Iterable[Any],
}
"""The types of parameters whose annotation is too general."""

UNIQUE = ("Config(queues)", "Config(scheduled_jobs)", "Queue(workers)")
"""The arguments whose items must have different names."""


def is_tested(function_or_call: str) -> bool:
    """Whether no exception matches a function or a call."""
    name = function_or_call.replace(" ", "_")
    return not any(fnmatchcase(name, pattern) for pattern in patterns())


def patterns() -> Iterator[str]:
    """Yield the patterns of all exceptions."""
    for names in EXCEPTIONS.values():
        yield from names.split()
