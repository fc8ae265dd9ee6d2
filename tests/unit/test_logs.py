"""Every event is one line with a level, and no line contains private data."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args
from uuid import UUID

import attrs
import pytest

from bgjobs import events
from bgjobs._core.jobs import AttemptError, Job, UnreadableJob
from bgjobs._core.progress import Progress
from bgjobs._core.text import is_visible
from bgjobs.events import Event
from bgjobs.logs import level_of, log_listener

SECRET = "4111-1111"
KEY = "customer-4711"
ID = UUID(int=1)
OWNER = UUID(int=2)
NOW = datetime(2030, 1, 1, tzinfo=UTC)
ERROR = ValueError(f"no card {SECRET}")


def a_job(**more: Any) -> Job:
    return Job(
        id=ID,
        created_at=NOW,
        available_at=NOW,
        payload=f'{{"card":"{SECRET}"}}',
        unique_key=KEY,
        errors=(AttemptError(1, NOW, SECRET),),
        **{"name": "mail", "attempts": 2, **more},
    )


JOB = a_job()
UNREADABLE = UnreadableJob(
    id=ID, table="jobs", reason="metadata: expected texts", columns={"payload": SECRET}
)
J = f"job:{ID}|worker:mail|attempt:3"

LINES: list[tuple[Event, int, str]] = [
    (events.JobEnqueued(JOB), logging.INFO, f"JobEnqueued|{J}"),
    (events.NoWorkerForJob("mail"), logging.ERROR, "NoWorkerForJob|name:mail"),
    (events.JobReserved("q", JOB), logging.INFO, f"JobReserved|queue:q|{J}"),
    (events.JobStarted("q", JOB), logging.INFO, f"JobStarted|queue:q|{J}"),
    (events.JobPostponed("q", JOB, 500), logging.INFO, f"JobPostponed|queue:q|{J}|waiting:500"),
    (
        events.JobProgressed("q", JOB, Progress(done=3, total=4, note=SECRET, reported_at=NOW)),
        logging.DEBUG,
        f"JobProgressed|queue:q|{J}|done:3|total:4",
    ),
    (
        events.JobSucceeded("q", JOB, 0.25),
        logging.INFO,
        f"JobSucceeded|queue:q|{J}|seconds:0.250000",
    ),
    (
        events.JobAttemptFailed("q", JOB, SECRET, timedelta(seconds=1.5)),
        logging.INFO,
        f"JobAttemptFailed|queue:q|{J}|retry_in:1.5",
    ),
    (events.JobFailed("q", JOB, SECRET), logging.WARNING, f"JobFailed|queue:q|{J}"),
    (
        events.FailureHookFailed("q", JOB, ERROR),
        logging.ERROR,
        f"FailureHookFailed|queue:q|{J}|error:ValueError",
    ),
    (events.JobDiscarded("q", JOB, SECRET), logging.INFO, f"JobDiscarded|queue:q|{J}"),
    (
        events.JobCancelled("q", JOB, SECRET, "ada"),
        logging.INFO,
        f"JobCancelled|queue:q|{J}|by:ada",
    ),
    (
        events.JobSnoozed("q", JOB, timedelta(days=1)),
        logging.INFO,
        f"JobSnoozed|queue:q|{J}|delay:86400",
    ),
    (events.JobReleased("q", JOB), logging.INFO, f"JobReleased|queue:q|{J}"),
    (
        events.CancellationIgnored("q", JOB),
        logging.WARNING,
        f"CancellationIgnored|queue:q|{J}",
    ),
    (events.ReservationLost("q", JOB), logging.WARNING, f"ReservationLost|queue:q|{J}"),
    (
        events.OccurrencePlanned("purge", NOW),
        logging.INFO,
        "OccurrencePlanned|scheduled_job:purge|at:2030-01-01T00:00:00+00:00",
    ),
    (
        events.OccurrenceReplanned("purge", NOW, NOW + timedelta(hours=1)),
        logging.INFO,
        (
            "OccurrenceReplanned|scheduled_job:purge|before:2030-01-01T00:00:00+00:00"
            "|at:2030-01-01T01:00:00+00:00"
        ),
    ),
    (
        events.OccurrencesMissed("purge", NOW, 3),
        logging.WARNING,
        "OccurrencesMissed|scheduled_job:purge|first:2030-01-01T00:00:00+00:00|count:3",
    ),
    (
        events.ScheduledJobPaused("purge"),
        logging.INFO,
        "ScheduledJobPaused|scheduled_job:purge",
    ),
    (
        events.ScheduledJobResumed("purge"),
        logging.INFO,
        "ScheduledJobResumed|scheduled_job:purge",
    ),
    (
        events.ScheduledJobRemoved("purge"),
        logging.INFO,
        "ScheduledJobRemoved|scheduled_job:purge",
    ),
    (events.QueueStarted("q", OWNER), logging.INFO, f"QueueStarted|queue:q|owner:{OWNER}"),
    (events.QueueStopped("q", OWNER), logging.INFO, f"QueueStopped|queue:q|owner:{OWNER}"),
    (events.QueuePaused("q"), logging.INFO, "QueuePaused|queue:q"),
    (events.QueueResumed("q"), logging.INFO, "QueueResumed|queue:q"),
    (events.QueueError("q", ERROR), logging.ERROR, "QueueError|queue:q|error:ValueError"),
    (events.OwnerDied(OWNER, "q"), logging.WARNING, f"OwnerDied|owner:{OWNER}|queue:q"),
    (
        events.MonitorReleasing(None, 3),
        logging.INFO,
        "MonitorReleasing|owner:None|jobs:3",
    ),
    (events.MonitorReleased(JOB), logging.INFO, f"MonitorReleased|{J}"),
    (events.MonitorFailed(JOB, SECRET), logging.WARNING, f"MonitorFailed|{J}"),
    (
        events.ChildCrashed("monitor", ERROR),
        logging.ERROR,
        "ChildCrashed|child:monitor|error:ValueError",
    ),
    (
        events.ChildRestarted("monitor", 2),
        logging.INFO,
        "ChildRestarted|child:monitor|restarts:2",
    ),
    (
        events.RestartLimitExceeded("monitor", ERROR),
        logging.ERROR,
        "RestartLimitExceeded|child:monitor|error:ValueError",
    ),
    (events.SetupFailed(ERROR), logging.ERROR, "SetupFailed|error:ValueError"),
    (events.StoreCalled("write"), logging.DEBUG, "StoreCalled|verb:write"),
    (
        events.StoreResponded("write", 0.001),
        logging.DEBUG,
        "StoreResponded|verb:write|seconds:0.001000",
    ),
    (
        events.StoreFailed("write", ERROR),
        logging.ERROR,
        "StoreFailed|verb:write|error:ValueError",
    ),
    (
        events.JobUnreadable(UNREADABLE),
        logging.WARNING,
        f"JobUnreadable|job:{UNREADABLE.id}|table:jobs|reason:metadata: expected texts",
    ),
    (events.Migrated(("0001_jobs",)), logging.INFO, "Migrated|migrations:0001_jobs"),
    (events.LoopLag(1.5, None), logging.WARNING, "LoopLag|seconds:1.500000|worker:None"),
    (events.ClockSkew(-2.0), logging.WARNING, "ClockSkew|seconds:-2.000000"),
    (
        events.AdminAction("retry", "mail", 2),
        logging.INFO,
        "AdminAction|action:retry|subject:mail|count:2",
    ),
    (
        events.ChangeRefused("retry", UUID(int=7), ERROR),
        logging.WARNING,
        "ChangeRefused|action:retry|job_id:00000000-0000-0000-0000-000000000007|error:ValueError",
    ),
    (events.Pruned(9), logging.INFO, "Pruned|count:9"),
    (
        events.ListenerFailed("note", "JobStarted", ERROR),
        logging.ERROR,
        "ListenerFailed|listener:note|event:JobStarted|error:ValueError",
    ),
]


def name_of(value: Any) -> str:
    return type(value).__name__


def test_every_event_is_among_the_lines() -> None:
    assert [type(event) for event, _, _ in LINES] == list(get_args(Event))


@pytest.mark.parametrize(("event", "level", "line"), LINES, ids=name_of)
def test_an_event_is_one_line_of_its_level(
    event: Event, level: int, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="bgjobs"):
        log_listener(event)
    assert caplog.record_tuples == [("bgjobs", level, line)]
    assert level_of(event) == level


def attributes(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key.startswith("bgjobs_")}


@pytest.mark.parametrize(("event", "level", "line"), LINES, ids=name_of)
def test_the_record_has_what_the_line_says_as_attributes(
    event: Event, level: int, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="bgjobs"):
        log_listener(event)
    [record] = caplog.records
    name, *fields = line.split("|")
    shown = dict(field.split(":", 1) for field in fields)
    if "job" in shown:
        shown["job_id"] = shown.pop("job")
    found = attributes(record)
    assert found.pop("bgjobs_event_type") == name
    assert {f"bgjobs_{key}" for key, text in shown.items() if text != "None"} == set(found)
    for key, value in found.items():
        text = shown[key.removeprefix("bgjobs_")]
        assert value == (text if isinstance(value, str) else float(text))


@pytest.mark.parametrize(
    ("style", "form"),
    [
        ("%", "%(bgjobs_job_id)s %(bgjobs_worker)s %(bgjobs_attempt)02d"),
        ("{", "{bgjobs_job_id} {bgjobs_worker} {bgjobs_attempt:02d}"),
        ("$", "$bgjobs_job_id $bgjobs_worker 0$bgjobs_attempt"),
    ],
)
def test_formatters_of_every_style_can_write_the_attributes(
    style: Literal["%", "{", "$"], form: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="bgjobs"):
        log_listener(events.JobStarted("q", JOB))
    written = logging.Formatter(form, style=style).format(caplog.records[0])
    assert written == f"{ID} mail 03"


@pytest.mark.parametrize("event", [event for event, _, _ in LINES], ids=name_of)
def test_no_line_shows_a_payload_an_error_s_text_or_a_key(
    event: Event, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="bgjobs"):
        log_listener(event)
    for text in (caplog.text, repr([attributes(record) for record in caplog.records])):
        assert SECRET not in text
        assert KEY not in text


@pytest.mark.parametrize("event", [event for event, _, _ in LINES], ids=name_of)
def test_no_repr_shows_a_payload(event: Event) -> None:
    """An error that is carried as an exception shows itself; that is what a repr is for."""
    if not any(isinstance(getattr(event, one.name), Exception) for one in fields_of(event)):
        assert SECRET not in repr(event)


def fields_of(event: Event) -> tuple[Any, ...]:
    return tuple(attrs.fields(type(event)))


def spoilt(event: Event, text: str) -> Event:
    """Put `text` wherever the event has a text of its own, and in the name of its job."""
    changes: dict[str, Any] = {}
    for field in fields_of(event):
        value = getattr(event, field.name)
        if isinstance(value, str):
            changes[field.name] = text
        elif isinstance(value, Job):
            changes[field.name] = a_job(name=text)
        elif isinstance(value, tuple):
            changes[field.name] = (text, text)
    return attrs.evolve(event, **changes)


def test_a_hostile_name_does_not_start_a_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A request's name, and a worker's name in a stored row, are not checked like a queue's."""
    with caplog.at_level(logging.DEBUG, logger="bgjobs"):
        for event, _, _ in LINES:
            for text in ("a\nERROR b", "a\u2028b\u202ec", "a\x1b[31mb\x9b", "a\ufe0fb\ud800"):
                log_listener(spoilt(event, text))
    for record in caplog.records:
        texts = [record.getMessage(), *map(str, attributes(record).values())]
        assert [text for text in texts if not is_visible(text)] == []


def test_a_hostile_name_does_not_start_a_field(caplog: pytest.LogCaptureFixture) -> None:
    """A reader of the log splits the lines at the bars."""
    with caplog.at_level(logging.DEBUG, logger="bgjobs"):
        for event, _, line in LINES:
            log_listener(spoilt(event, "a|job:1|attempt:9"))
            assert caplog.messages[-1].count("|") == line.count("|")


def test_an_event_below_the_level_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    for event, level, _ in LINES:
        with caplog.at_level(level + 1, logger="bgjobs"):
            log_listener(event)
    assert caplog.records == []
