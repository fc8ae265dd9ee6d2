"""A store whose ids, ages and texts are fixed, for pictures of the output."""

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from bgjobs._core.timestamps import from_microseconds

FAILED = UUID("019c2f0e-4b7a-7c11-9d5e-0a1b2c3d4e5f")
FAILED_TOO = UUID("019c2f0e-91d3-7c11-9d5f-4e5f0a1b2c3d")
WAITING = UUID("019c2f0f-10aa-7333-8aaa-000000000001")
DELAYED = UUID("019c2f0f-20bb-7444-8bbb-000000000002")
RUNNING = UUID("019c2f0f-30cc-7555-8ccc-000000000003")
SUCCEEDED = UUID("019c2f0d-40dd-7666-8ddd-000000000004")
PLANNED = UUID("019c2f0f-aadd-7999-8fff-000000000007")
CANCELLED = UUID("019c2f0e-a0ee-7c11-9d60-5a0b1c2d3e4f")
OWNER = UUID("019c2f00-50ee-7777-8eee-000000000005")
OTHER_OWNER = UUID("019c2f00-50ee-7777-9fff-000000000006")
_REFUSED = "ConnectionRefusedError: [Errno 111] mail.example.org:2525 refused the connection"
ERROR = (
    f"{_REFUSED}\n\nTraceback (most recent call last):\n"
    '  File "/srv/shop/mails.py", line 12, in send\n'
    "    await connect(server)\n"
    f"{_REFUSED}"
)
_HOUR = timedelta(hours=1)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")
_OCCURRENCE = re.compile(r"[A-Z][a-z]{2} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? UTC")
_ISO_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)")
_ANY_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_BAR = re.compile(r"^(\w+ing) [━╸╺ ]+ (\S+) \d:\d\d:\d\d$", re.MULTILINE)
_STEPS = re.compile(r"(\n|\r|\x1b\[1A|\x1b\[2K|\x1b\[\?25[lh])")
_KNOWN = {
    *(str(one) for one in (FAILED, FAILED_TOO, WAITING, DELAYED, RUNNING, SUCCEEDED)),
    *(str(one) for one in (CANCELLED, PLANNED, OWNER, OTHER_OWNER)),
}


def prepare(shop: Path) -> None:
    """Replace the stored jobs by fixed ones, but keep the planned run of the schedule."""
    with closing(sqlite3.connect(shop / "shop.db")) as database:
        for statement, values in _statements(datetime.now(UTC)):
            database.execute(statement, values)
        database.commit()


_PLAN = """
    update bgjobs_jobs
    set id = :id, available_at = :at, occurrence = json_set(occurrence, '$.at', :at)
"""
_LIVE = """
    insert into bgjobs_jobs (
        id, name, priority, attempts, reservations, created_at, available_at, reserved_at,
        reserved_by, unique_key, payload, metadata
    ) values (
        :id, :name, 0, 1, 1, :created, :due,
        case when :owner is not null then :reserved end, :owner, :key, :payload, :metadata
    )
"""
_FAIL = """
    insert into bgjobs_jobs_failed (
        id, name, priority, attempts, crashes, interruptions, reservations, created_at,
        available_at, payload, metadata, failed_at, error, errors
    ) values (
        :id, 'send', 0, 3, 1, 2, 3, :created, :created, :payload, :metadata, :ended, :error,
        :errors
    )
"""
_SUCCEED = """
    insert into bgjobs_jobs_succeeded (
        id, name, priority, attempts, crashes, interruptions, reservations, created_at,
        available_at, payload, metadata, succeeded_at, errors
    ) values (
        :id, 'greet', 0, 3, 0, 0, 3, :created, :created, :payload, :metadata, :ended, '[]'
    )
"""
_CANCEL = """
    insert into bgjobs_jobs_cancelled (
        id, name, priority, attempts, crashes, interruptions, reservations, created_at,
        available_at, payload, metadata, cancelled_at, cancel_reason, cancelled_by, errors,
        history
    ) values (
        :id, 'send', 0, 0, 0, 0, 2, :created, :created, :payload, :metadata, :ended,
        'the customer has closed the account', 'Ada', :first_error, :history
    )
"""
_OWN = """
    insert into bgjobs_owners (id, name, node, opened_at, lease_expires_at)
    values (:id, :queue, :node, :opened, :expires)
"""
_AUDIT = """
    insert into bgjobs_audit (id, at, author, action, subject, changed)
    values (:id, :at, :author, :action, :subject, :changed)
"""
_ACTIONS = (
    ("Ada", "cancel_all", "send", 1_204),
    ("Grace", "retry", f"{FAILED}, {FAILED_TOO}, {CANCELLED} and 2 more", None),
    (None, "prune", "all", 0),
)
"""What operators did: author, action, subject and the number of changed jobs."""


def _statements(now: datetime) -> Iterator[tuple[str, dict[str, object]]]:
    def at(ago: timedelta) -> int:
        return int((now - ago).timestamp() * 1_000_000)

    common: dict[str, object] = {
        "payload": '{"mail": {"to": "ada@example.org", "copies": 1}}',
        "created": at(30 * _HOUR),
        "reserved": at(3 * _HOUR),
        "metadata": json.dumps({"tenant": "acme", "request": "7f3c-" * 12}),
        "errors": json.dumps([[1, (now - 3 * _HOUR).isoformat(), ERROR, None]]),
        "error": ERROR,
        "history": json.dumps(_history(at)),
        "first_error": json.dumps([[1, _iso(at(28 * _HOUR)), ERROR, _iso(at(29 * _HOUR))]]),
        "node": "worker-7.eu-west-1.compute.internal",
        "opened": at(50 * _HOUR),
        "expires": at(-10.25 * _HOUR),
    }
    yield "delete from bgjobs_jobs where occurrence is null", {}
    yield "delete from bgjobs_jobs_failed", {}
    yield "delete from bgjobs_jobs_succeeded", {}
    yield "delete from bgjobs_jobs_cancelled", {}
    yield "delete from bgjobs_activity", {}
    yield "delete from bgjobs_audit", {}
    for number, (author, action, subject, changed) in enumerate(_ACTIONS):
        entry_id = f"019c2f0d-60ff-7666-8ddd-00000000000{number}"
        entry = {"author": author, "action": action, "subject": subject, "changed": changed}
        yield _AUDIT, {**entry, "id": entry_id, "at": at((9 - number) * _HOUR)}
    yield _PLAN, {"id": str(PLANNED), "at": at(-5.25 * _HOUR)}
    for job, name, due, owner in (
        (WAITING, "greet", at(_HOUR / 3), None),
        (DELAYED, "greet", at(-2.25 * _HOUR), None),
        (RUNNING, "slow", at(3 * _HOUR), str(OWNER)),
    ):
        key = f"customer-{job.int % 10}"
        live = {"id": str(job), "name": name, "due": due, "owner": owner, "key": key}
        yield _LIVE, {**common, **live}
    yield _FAIL, {**common, "id": str(FAILED), "ended": at(3 * _HOUR)}
    yield _FAIL, {**common, "id": str(FAILED_TOO), "ended": at(4 * _HOUR)}
    yield _SUCCEED, {**common, "id": str(SUCCEEDED), "ended": at(26 * _HOUR)}
    yield _CANCEL, {**common, "id": str(CANCELLED), "ended": at(_HOUR)}
    yield _OWN, {**common, "id": str(OWNER), "queue": "default"}
    yield _OWN, {**common, "id": str(OTHER_OWNER), "queue": "mail"}


_RUNS = ((7, 29, 28, "failed"), (8, 5, 4, "crashed"))
"""The number of the node, the hours since the reservation and its end, and the end."""


def _iso(microseconds: int) -> str:
    return from_microseconds(microseconds).isoformat()


def _history(at: Callable[[timedelta], int]) -> list[list[object]]:
    """Return a job that has failed, was retried, and crashed in another process."""
    ran: list[list[object]] = []
    for number, (node, begun, ended, how) in enumerate(_RUNS, 1):
        where = [str(OTHER_OWNER), "mail", f"worker-{node}.eu-west-1.compute.internal"]
        times = at(begun * _HOUR), at(ended * _HOUR)
        ran.append(["reservation", number, *where, 1, *times, how])
    end = ["end", "failed", at(28 * _HOUR), _REFUSED, None, at(6 * _HOUR), "Grace"]
    return [ran[0], end, ran[1]]


def steadied(written: str) -> str:
    """Replace times and ids that differ between calls by fixed ones of the same length."""
    written = _OCCURRENCE.sub("Thu 2030-01-31 12:00:00 UTC", written)
    written = re.sub(r"(schema +version) \d+", r"\1 7", written)
    written = _BAR.sub(r"\1 (a bar) \2", written)
    written = _MOMENT.sub("2030-01-31 12:00:00 UTC", written)
    written = _ISO_MOMENT.sub("2030-01-31T12:00:00Z", written)
    return _ANY_ID.sub(
        lambda found: found[0] if found[0] in _KNOWN else f"{0:08}-0000-7000-8000-{0:012}",
        written,
    )


def settled(written: str) -> str:
    """Return what the terminal shows at the end, after lines were erased and rewritten."""
    lines = [""]
    for part in _STEPS.split(written):
        match part:
            case "\n":
                lines.append("")
            case "\x1b[1A":
                lines.pop()
            case "\x1b[2K":
                lines[-1] = ""
            case "\r" | "\x1b[?25l" | "\x1b[?25h":
                pass
            case text:
                lines[-1] += text
    return "\n".join(line.rstrip() for line in lines)
