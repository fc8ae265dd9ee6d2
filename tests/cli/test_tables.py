"""Jobs, queues and snapshots as tables, lines and JSON, and the rates of snapshots."""

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve
from rich.console import Console, RenderableType

import bgjobs
from bgjobs.cli.commands import watch
from bgjobs.cli.output import as_json, progress, queue_tables, tables
from bgjobs.cli.snapshot import QueueRow, Rate, Snapshot, rate
from bgjobs.cli.states import COUNT_LIMIT, Count, headline, state_time

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
ID = UUID("01890000-0000-7000-8000-000000000000")
OWNER = UUID("01890000-0000-7000-8000-000000000001")
BEFORE = NOON - timedelta(minutes=5)
LATER = NOON + timedelta(hours=3)

COMMON: dict[str, Any] = {
    "id": ID,
    "name": "send",
    "payload": '{"to":"secret"}',
    "created_at": BEFORE,
    "available_at": BEFORE,
}
WAITING = bgjobs.Job(**COMMON)
DELAYED = bgjobs.Job(**{**COMMON, "available_at": LATER}, state="delayed")
RUNNING = bgjobs.Job(**COMMON, reserved_by=OWNER, reserved_at=NOON, attempts=1, state="running")
SUCCEEDED = bgjobs.SucceededJob(**COMMON, succeeded_at=NOON)
FAILED = bgjobs.FailedJob(
    **COMMON,
    attempts=2,
    error="ValueError: no \x1b[31mbox\n\nTraceback:\n  line 1",
    failed_at=NOON,
)
CANCELLED = bgjobs.CancelledJob(
    **COMMON, reason="no \x1b[31mbox", cancelled_by="ada\x1b", cancelled_at=NOON
)
COUNTS = bgjobs.Counts(
    waiting=1, delayed=2, running=3, succeeded=COUNT_LIMIT, failed=4_000, cancelled=5
)


def plain(what: RenderableType, width: int = 200) -> list[str]:
    """Return the lines of a drawing without trailing blanks."""
    drawn = io.StringIO()
    Console(file=drawn, width=width, color_system=None, highlight=False).print(what)
    return [line.rstrip() for line in drawn.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("job", "moment"),
    [
        (WAITING, BEFORE),
        (DELAYED, LATER),
        (RUNNING, NOON),
        (SUCCEEDED, NOON),
        (FAILED, NOON),
        (CANCELLED, NOON),
    ],
)
def test_a_job_has_been_in_its_state_since_a_time(job: bgjobs.AnyJob, moment: datetime) -> None:
    assert state_time(job) == moment
    assert tables.shown(str(as_json.job(job)["state"])) == job.state


def test_a_list_of_jobs_hides_payloads() -> None:
    drawn = plain(tables.jobs([DELAYED, FAILED], NOON + timedelta(1)))

    assert drawn == [
        "id                                    worker  state    when      error",
        f"{ID}  send    delayed  21 h ago",
        f"{ID}  send    failed   24 h ago  ValueError: no \\x1b[31mbox",
    ]


def test_only_the_error_is_truncated_where_the_terminal_ends() -> None:
    drawn = plain(tables.jobs([FAILED], NOON), width=80)

    assert str(ID) in drawn[1]
    assert drawn[1].endswith("  0.0 s ago  ValueError: no \\x1b[31…")


def test_one_job_is_shown_with_its_special_facts() -> None:
    usual = plain(tables.job(WAITING, NOON, UTC))
    special = plain(tables.job(RUNNING, NOON, UTC))

    assert usual[3] == "since     2030-01-31 11:55:00 UTC (5 min ago)"
    assert not [line for line in usual if line.startswith(("owner", "crashes", "unique"))]
    assert special[-1] == f"owner     {OWNER}"
    assert "secret" not in "".join(usual + special)


def test_cancelled_jobs_are_drawn_with_reason_and_author() -> None:
    alone = plain(tables.jobs([CANCELLED], NOON))
    mixed = plain(tables.jobs([CANCELLED, FAILED], NOON))
    shown = plain(tables.job(CANCELLED, NOON, UTC))

    assert alone == [
        "id                                    worker  when       reason",
        f"{ID}  send    0.0 s ago  no \\x1b[31mbox",
    ]
    assert mixed[0].split() == ["id", "worker", "state", "when", "error", "or", "reason"]
    assert [line.split()[2] for line in mixed[1:]] == ["cancelled", "failed"]
    assert shown[2:5] == [
        "state         cancelled",
        "reason        no \\x1b[31mbox",
        "cancelled by  ada\\x1b",
    ]


def test_a_traceback_keeps_its_lines_and_is_escaped() -> None:
    assert plain(tables.trace(FAILED.error)) == [
        "ValueError: no \\x1b[31mbox",
        "",
        "Traceback:",
        "  line 1",
    ]


def test_a_count_that_stopped_early_is_marked() -> None:
    row = QueueRow("mail", paused=True, owners=1, counts=COUNTS)

    assert plain(queue_tables.queues([row])) == [
        "queue  state   owners  waiting  delayed  running  succeeded  failed  cancelled",
        "mail   paused       1        1        2        3   100,000+   4,000          5",
    ]
    assert str(Count(COUNT_LIMIT, "failed job")) == "at least 100,000 failed jobs"
    assert str(Count(1, "failed job")) == "1 failed job"
    assert Count(COUNT_LIMIT, "failed job").exactly is None


def test_a_job_as_json_has_times_in_utc_ids_as_text_and_no_payload() -> None:
    shown = json.loads(json.dumps(as_json.job(FAILED)))

    assert shown["id"] == str(ID)
    assert shown["worker"] == "send"
    assert shown["state"] == "failed"
    assert shown["created_at"] == "2030-01-31T11:55:00Z"
    assert shown["ended_at"] == "2030-01-31T12:00:00Z"
    assert shown["reserved_by"] is None
    assert shown["error"] == "ValueError: no \x1b[31mbox"
    assert (shown["reason"], shown["cancelled_by"]) == (None, None)
    assert "payload" not in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [('{"a":[1]}', {"a": [1]}), ("no JSON", "no JSON"), ("[" * 99_999, "[" * 99_999)],
)
def test_a_payload_is_decoded_or_left_as_text(text: str, shown: object) -> None:
    assert as_json.value(text) == shown


def test_the_headline_is_the_first_line_of_an_error() -> None:
    assert headline("\n a\nb") == "a"
    assert headline(None) == ""


def snapshot(seconds: float, counts: bgjobs.Counts, *running: bgjobs.Job) -> Snapshot:
    """A snapshot of one queue."""
    workers = frozenset(["send"])
    rows = [QueueRow("mail", paused=False, owners=1, counts=counts, workers=workers)]
    return Snapshot(NOON, seconds, rows, counts, running, [FAILED])


FIRST = snapshot(
    10,
    bgjobs.Counts(waiting=9, delayed=0, running=1, succeeded=100, failed=4, cancelled=0),
)
SECOND = snapshot(
    12,
    bgjobs.Counts(waiting=5, delayed=0, running=1, succeeded=125, failed=5, cancelled=7),
    RUNNING,
)


def test_rates_come_from_two_snapshots() -> None:
    assert rate("succeeded", FIRST, SECOND) == Rate(12.5)
    assert rate("failed", FIRST, SECOND, "mail") == Rate(0.5)


def test_the_first_snapshot_has_no_rates() -> None:
    assert rate("succeeded", None, FIRST) is None
    assert rate("succeeded", FIRST, evolve(SECOND, seconds=10)) is None


def test_deleted_jobs_are_no_negative_rate() -> None:
    assert rate("failed", SECOND, evolve(FIRST, seconds=20)) == Rate(0)


def test_beyond_the_count_limit_rates_come_from_the_newest_jobs() -> None:
    jobs = [evolve(SUCCEEDED, succeeded_at=NOON + timedelta(seconds=n)) for n in range(6)]
    other = evolve(jobs[5], name="greet")
    before = evolve(snapshot(10, COUNTS), samples={"succeeded": jobs[:2]})
    now = evolve(snapshot(12, COUNTS), samples={"succeeded": [*jobs[1:5], other]})
    all_new = evolve(now, samples={"succeeded": jobs[2:4]})

    assert rate("succeeded", before, now) == Rate(2.0)
    assert rate("succeeded", before, now, "mail") == Rate(1.5)
    assert str(rate("succeeded", before, all_new)) == "1.0+"
    assert rate("succeeded", FIRST, now) is None


def test_a_snapshot_is_a_line_or_json() -> None:
    line = (
        "2030-01-31 12:00:00 UTC: 5 waiting, 0 delayed, 1 running, 125 succeeded, 5 failed, "
        "7 cancelled; "
        "12.5 succeeded/s, 0.5 failed/s"
    )
    shown = json.loads(json.dumps(watch.snapshot_json(FIRST, SECOND)))

    assert watch.snapshot_line(FIRST, SECOND, UTC) == line
    assert shown["at"] == "2030-01-31T12:00:00Z"
    assert shown["queues"][0]["succeeded_per_second"] == 12.5
    assert [job["id"] for job in shown["running"] + shown["failed"]] == [str(ID), str(ID)]


COLUMNS: dict[str, str | int | None] = {
    "name": "send\x1b[2J\n",
    "priority": 5,
    "metadata": "[\u202e",
    "unique_key": None,
    "payload": "secret",
}
UNREADABLE = bgjobs.UnreadableJob(
    id=ID,
    table="jobs_failed",
    reason="metadata: expected a JSON object",
    columns=COLUMNS,
    found_at=BEFORE,
)


def test_a_row_that_is_no_job_is_shown_with_its_columns() -> None:
    assert plain(tables.unreadable([UNREADABLE], NOON, {ID: "01890000"})) == [
        "id        worker         table        moved aside  reason",
        (
            "01890000  send\\x1b[2J\\n  jobs_failed  5 min ago    "
            "metadata: expected a JSON object"
        ),
    ]
    assert plain(tables.unreadable_job(UNREADABLE, NOON, UTC)) == [
        f"id                 {ID}",
        "state              unreadable",
        "reason             metadata: expected a JSON object",
        "table              jobs_failed",
        "moved aside        2030-01-31 11:55:00 UTC (5 min ago)",
        "column name        send\\x1b[2J\\n",
        "column priority    5",
        "column metadata    [\\u202e",
        "column unique_key  null",
    ]


def test_a_row_that_is_no_job_is_json_with_the_same_columns() -> None:
    shown = json.loads(json.dumps(as_json.unreadable(UNREADABLE)))

    assert shown["columns"] == {
        "name": "send\x1b[2J\n",
        "priority": 5,
        "metadata": "[\u202e",
        "unique_key": None,
    }
    assert (shown["id"], shown["state"], shown["found_at"]) == (
        str(ID),
        "unreadable",
        "2030-01-31T11:55:00Z",
    )
    assert as_json.unreadable(UNREADABLE, with_payload=True)["columns"] == UNREADABLE.columns


def at(done: float, total: float | None = None, note: str | None = None) -> bgjobs.Progress:
    return bgjobs.Progress(done=done, total=total, note=note, reported_at=BEFORE)


@pytest.mark.parametrize(
    ("given", "bar", "part", "amounts"),
    [
        (at(0, 100), "[..........]   0 %", "0 %", "0 of 100, 0 % (5 min ago)"),
        (at(55, 100), "[#####.....]  55 %", "55 %", "55 of 100, 55 % (5 min ago)"),
        (at(0.5, 1.25), "[####......]  40 %", "40 %", "0.50 of 1.25, 40 % (5 min ago)"),
        (at(9999, 10_000), "[#########.]  99 %", "99 %", "9,999 of 10,000, 99 % (5 min ago)"),
        (at(100, 100), "[##########] 100 %", "100 %", "100 of 100, 100 % (5 min ago)"),
        (at(300, 100), "[##########] 100 %", "100 %", "300 of 100, 100 % (5 min ago)"),
        (at(0, 0), "[##########] 100 %", "100 %", "0 of 0, 100 % (5 min ago)"),
        (at(1234), "1,234", "1,234", "1,234 (5 min ago)"),
        (at(2**53 - 1), "9.007e+15", "9.007e+15", "9.007e+15 (5 min ago)"),
    ],
)
def test_progress_is_a_bar_a_part_or_amounts(
    given: bgjobs.Progress, bar: str, part: str, amounts: str
) -> None:
    assert progress.bar(given) == bar
    assert progress.part(given) == part
    assert progress.amounts(given, NOON) == amounts


def test_a_list_has_a_column_of_progress_if_any_job_has_some() -> None:
    half = evolve(RUNNING, progress=at(50, 100))
    drawn = plain(tables.jobs([half, evolve(RUNNING, progress=None)], NOON, {ID: "01890000"}))

    assert drawn == [
        "id        worker  when       progress  error",
        "01890000  send    0.0 s ago      50 %",
        "01890000  send    0.0 s ago",
    ]


def test_one_job_is_shown_with_its_progress_and_its_note() -> None:
    job = evolve(FAILED, progress=at(50, 100, "page \x1b[31m3"))
    drawn = plain(tables.job(job, NOON, UTC))

    assert drawn[-2:] == [
        "progress       50 of 100, 50 % (5 min ago)",
        "progress note  page \\x1b[31m3",
    ]
    assert "progress" not in "".join(plain(tables.job(FAILED, NOON, UTC)))


def test_progress_is_json_with_its_fraction() -> None:
    assert as_json.job(RUNNING)["progress"] is None
    job = evolve(RUNNING, progress=at(1, 4, "note"))
    assert json.loads(json.dumps(as_json.job(job)))["progress"] == {
        "done": 1,
        "total": 4,
        "fraction": 0.25,
        "note": "note",
        "reported_at": "2030-01-31T11:55:00Z",
    }
