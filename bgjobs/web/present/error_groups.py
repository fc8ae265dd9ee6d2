"""Failed jobs grouped by the first line of their error, without what differs in each job."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, final
from uuid import UUID

from attrs import frozen

import bgjobs
from bgjobs.web.present.errors_view import headline

LONGEST_PATTERN = 200
"""Characters of the first line that are compared."""
_VARYING = re.compile(
    r"(?P<id>\b[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\b)"
    r"|(?P<address>\b0x[0-9a-f]+\b|\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?::[0-9]{1,5})?\b"
    r"|\[?\b[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){3,7}\b\]?|[\w.+-]{1,64}@[\w.-]{1,200})"
    r"|(?P<hex>\b(?=[a-f]{0,40}[0-9])[0-9a-f]{12,64}\b)"
    r"|(?P<number>(?<![^\W_])(?<!\.)[0-9]+(?:[.,_][0-9]+)*)",
    re.IGNORECASE,
)


@final
@frozen
class ErrorGroup:
    """Failed jobs whose errors differ only in ids, numbers and addresses."""

    pattern: str
    """The first line of the errors, with ``<id>``, ``<number>``, ``<address>`` or ``<hex>``."""
    count: int
    latest: datetime
    """When the last of these jobs failed."""
    example: UUID
    """The id of that job."""


def error_groups(jobs: Iterable[bgjobs.FailedJob[Any]]) -> Sequence[ErrorGroup]:
    """Return the groups of these jobs, the most frequent one first, then the latest."""
    found: dict[str, list[bgjobs.FailedJob[Any]]] = {}
    for job in jobs:
        found.setdefault(error_pattern(job.error), []).append(job)
    groups = [_group(pattern, members) for pattern, members in found.items()]
    groups.sort(key=lambda one: (one.count, one.latest), reverse=True)
    return groups


def error_pattern(error: str) -> str:
    """Return the first line of an error, with the names of what differs in each job."""
    line = headline(error)[:LONGEST_PATTERN]
    return _VARYING.sub(lambda one: f"<{one.lastgroup}>", line)


def _group(pattern: str, members: Sequence[bgjobs.FailedJob[Any]]) -> ErrorGroup:
    latest = max(members, key=lambda job: job.failed_at)
    return ErrorGroup(pattern, len(members), latest.failed_at, latest.id)
