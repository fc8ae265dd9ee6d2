"""`JobFilter`, and the pages of jobs with some metadata."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve

from bgjobs._core.jobs import AnyJob, FailedJob, Job, SucceededJob, UnreadableJob
from bgjobs.errors import SearchError
from bgjobs.stores import filters
from bgjobs.stores.filters import JobFilter, with_metadata
from bgjobs.stores.pages import Cursor, Listing, Page

NOW = datetime(2031, 5, 17, 12, 30, tzinfo=UTC)
OWNER = UUID(int=7)


def _job(number: int = 1, metadata: Mapping[str, str] | None = None, **values: Any) -> Job:
    return Job(
        id=UUID(int=number),
        name="mail",
        payload="{}",
        created_at=NOW,
        available_at=NOW,
        metadata=metadata or {},
        **values,
    )


def _failed(error: str) -> FailedJob:
    return FailedJob(
        id=UUID(int=1),
        name="mail",
        payload="{}",
        created_at=NOW,
        available_at=NOW,
        reserved_by=OWNER,
        error=error,
        failed_at=NOW,
    )


@pytest.mark.parametrize("state", ["waiting", "delayed", "unreadable"])
@pytest.mark.parametrize("reserved", [{"queue": "q"}, {"owner": OWNER}])
def test_jobs_that_are_not_reserved_have_no_queue(state: Any, reserved: Any) -> None:
    with pytest.raises(ValueError, match=f"(queue|owner): expected none for {state} jobs, fou"):
        JobFilter(state, **reserved)


@pytest.mark.parametrize(
    "state", ["waiting", "running", "succeeded", "cancelled", "unreadable"]
)
def test_only_failed_jobs_are_searched(state: Any) -> None:
    with pytest.raises(ValueError, match=f"search: expected none for {state} jobs, found 'x'"):
        JobFilter(state, search="x")


@pytest.mark.parametrize(
    "properties", [{"name": "x"}, {"metadata": {"k": "v"}}, {"before": NOW}, {"after": NOW}]
)
def test_unreadable_rows_have_no_properties(properties: Any) -> None:
    [what] = properties
    with pytest.raises(ValueError, match=f"{what}: expected none for unreadable jobs, found"):
        JobFilter("unreadable", **properties)


def test_a_filter_has_a_known_state() -> None:
    state: Any = "done"
    with pytest.raises(ValueError, match=r"state: expected one of \('waiting', .*found 'done'"):
        JobFilter(state)


def test_a_search_has_words() -> None:
    with pytest.raises(SearchError, match="expected a word of letters or digits, found '--'"):
        JobFilter("failed", search="--")
    assert JobFilter("failed", search="Time-out db*").words == ("Time", "out", "db*")
    assert JobFilter("failed").words == ()


@pytest.mark.parametrize(
    ("properties", "selects"),
    [
        ({}, True),
        ({"name": "mail"}, True),
        ({"name": "purge"}, False),
        ({"owner": OWNER}, True),
        ({"owner": UUID(int=8)}, False),
        ({"queue": "q"}, True),
        ({"metadata": {"k": "v"}}, True),
        ({"metadata": {}}, True),
        ({"metadata": {"k": "v", "l": "v"}}, False),
        ({"after": NOW}, True),
        ({"after": NOW + timedelta(microseconds=1)}, False),
        ({"before": NOW}, False),
        ({"before": NOW + timedelta(microseconds=1)}, True),
    ],
)
def test_a_filter_selects_jobs_with_all_properties(properties: Any, selects: bool) -> None:
    job = _job(metadata={"k": "v", "x": "y"}, reserved_by=OWNER, state="running")
    assert JobFilter("running", **properties).selects(job, {OWNER}) is selects


def test_a_filter_selects_jobs_in_its_state() -> None:
    waiting = _job()
    done = SucceededJob(
        id=UUID(int=1),
        name="mail",
        payload="{}",
        created_at=NOW,
        available_at=NOW,
        succeeded_at=NOW,
    )
    jobs: Sequence[AnyJob] = [waiting, evolve(waiting, state="delayed"), done, _failed("x")]
    states: Sequence[Any] = ["waiting", "delayed", "succeeded", "failed"]
    found = [[JobFilter(state).selects(job) for job in jobs] for state in states]
    assert found == [[one == other for other in range(4)] for one in range(4)]


def test_a_queue_without_owners_has_no_jobs() -> None:
    job = _job(reserved_by=OWNER, state="running")
    assert not JobFilter("running", queue="q").selects(job)


@pytest.mark.parametrize(
    ("search", "selects"),
    [
        ("gone", True),
        ("GONE away", True),
        ("awa", False),
        ("awa*", True),
        ("awa* gone", False),
        ("deep", False),
        ("late", False),
    ],
)
def test_a_search_reads_the_first_line(search: str, selects: bool) -> None:
    job = _failed(f"KeyError: gone away {'x' * 200} late\ndeep")
    assert JobFilter("failed", search=search).selects(job) is selects


class _Table:
    """Rows of which some have metadata; it notes how many are read by each statement."""

    def __init__(self, rows: Sequence[Job | UnreadableJob]) -> None:
        self.rows = rows
        self.read_at_once: list[int] = []

    def read(self, page: Page) -> Listing[Job]:
        start = 0 if page.after_id is None else page.after_id.int
        part = [row for row in self.rows if row.id.int > start][: page.limit]
        self.read_at_once.append(len(part))
        more = bool(part) and part[-1] is not self.rows[-1]
        return Listing(
            [row for row in part if isinstance(row, Job)],
            [row for row in part if isinstance(row, UnreadableJob)],
            Cursor(part[-1].id) if more else None,
        )

    def pages(self, limit: int) -> list[list[int]]:
        """Return the numbers of the jobs with the metadata, page by page."""
        wanted, page = JobFilter("waiting", metadata={"k": "v"}), Page(limit)
        found: list[list[int]] = []
        while True:
            part = with_metadata(self.read, wanted, page)
            found.append([job.id.int for job in part])
            if part.after is None:
                return found
            page = evolve(page, after=part.after)


def _table(length: int, matching: Sequence[int]) -> _Table:
    return _Table(
        [_job(n, {"k": "v"} if n in matching else None) for n in range(1, length + 1)]
    )


def test_pages_with_metadata_are_full_while_jobs_follow() -> None:
    table = _table(1000, [3, 4, 400, 401, 402, 1000])
    assert table.pages(2) == [[3, 4], [400, 401], [402, 1000]]


def test_few_statements_find_few_jobs() -> None:
    table = _table(1000, [999])
    assert table.pages(5) == [[999]]
    assert table.read_at_once == [200] * 5


def test_a_part_with_too_many_jobs_is_read_again() -> None:
    table = _table(100, range(1, 101))
    assert table.pages(7)[0] == [*range(1, 8)]
    assert table.read_at_once[:6] == [100, 100, 50, 25, 12, 7]


def test_a_page_ends_after_the_rows_that_are_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filters, "EXAMINED", 250)
    table = _table(600, [1, 600])
    assert table.pages(5) == [[1], [], [600]]
    assert table.read_at_once == [200, 50, 200, 50, 100]


def test_unreadable_rows_of_a_page_are_returned_once() -> None:
    rows: list[Job | UnreadableJob] = [_job(n, {"k": "v"}) for n in range(1, 11)]
    rows[2] = UnreadableJob(id=UUID(int=3), table="jobs", reason="x", columns={})
    table = _Table(rows)
    found = with_metadata(table.read, JobFilter("waiting", metadata={"k": "v"}), Page(4))
    assert [one.id.int for one in found.unreadable] == [3]
    assert [job.id.int for job in found] == [1, 2, 4, 5]


def test_without_metadata_one_page_is_read() -> None:
    table = _table(10, [])
    assert len(with_metadata(table.read, JobFilter("waiting"), Page(4))) == 4
    assert table.read_at_once == [4]
