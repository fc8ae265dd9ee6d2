# ruff: noqa: E501 - a table is easier to read with one case on each line
"""Methods of `Admin` refuse invalid arguments before anything changes."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs.errors import (
    NaiveDatetimeError,
    SearchError,
    UnknownJobError,
    UnknownNameError,
)
from tests.runtime.admin.helpers import NO_RETRIES, broken, fail_some, fine
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio


async def test_invalid_values_are_refused(sqlite_app: Harness) -> None:
    wrong: Any = "finished"
    unknown = new_id()
    waiting: Any = bgjobs.JobFilter("waiting")
    failed: Any = bgjobs.JobFilter("failed")
    async with bgjobs.run(sqlite_app.config(fine)) as bg:
        with pytest.raises(ValueError, match=r"state: expected one of .*, found 'finished'"):
            bgjobs.JobFilter(wrong)
        with pytest.raises(ValueError, match="search: expected none for waiting jobs"):
            bgjobs.JobFilter("waiting", search="x")
        with pytest.raises(
            ValueError, match="expected a word of letters or digits, found '--'"
        ):
            bgjobs.JobFilter("failed", search="--")
        with pytest.raises(UnknownJobError, match=f"no job {unknown}: it was never stored, or"):
            await bg.wait_for(unknown)
        assert await bg.find(unknown) is None
        with pytest.raises(
            ValueError, match=r"retry_all: wanted: .* 'failed' or 'cancelled', found 'waiting'"
        ):
            await bg.admin.retry_all(waiting)
        with pytest.raises(
            ValueError, match=r"cancel_all: wanted: .* 'waiting' or 'delayed', found 'failed'"
        ):
            await bg.admin.cancel_all(failed, reason="x")
        with pytest.raises(
            ValueError, match="export_failed: wanted: expected a filter of 'failed', found 'wai"
        ):
            bg.admin.export_failed(waiting)
        unreadable: Any = bgjobs.JobFilter("unreadable")
        with pytest.raises(
            ValueError, match=r"export_jobs: wanted: .* 'cancelled', found 'unreadable'"
        ):
            bg.admin.export_jobs(unreadable)
        with pytest.raises(ValueError, match="reschedule: expected one of at= and in_="):
            await bg.admin.reschedule(unknown)
        with pytest.raises(ValueError, match="reason: expected a text, found an empty one"):
            await bg.admin.cancel(unknown, reason=" ")
        with pytest.raises(UnknownNameError, match=r"no queue 'defualt'.* mean 'default'"):
            await bg.admin.pause_queue("defualt")
        with pytest.raises(UnknownNameError, match="no scheduled job 'x'"):
            await bg.admin.schedule("x").pause()


NO_WORDS = [
    "", " ", "*", '"', "'", "!!!", "--", "\0", "()", "\\", ":*", "&|", "\u0300", "\ud800",
]  # fmt: skip


STRANGE_WORDS = [
    "²", "½*",
    "a\0b", "a OR b", "NEAR(a b)", "a AND", '"a', "a''b", "a:*", "(a", "a*b", "**b**", "a -b",
    "x" * 500, "\U00010400" * 500, "é " * 250, "1 " * 250, "a\ud800b", "%s {0} %(x)s", ":a $1 ?",
]  # fmt: skip


async def test_no_search_text_causes_a_database_error(app: Harness) -> None:
    async with bgjobs.run(app.config(broken, **NO_RETRIES)) as bg:
        await fail_some(bg, "alpha")
        for text in NO_WORDS:
            with pytest.raises(SearchError, match="search: expected a word of letters or digi"):
                bgjobs.JobFilter("failed", search=text)
        for text in STRANGE_WORDS:
            for name in (None, "broken"):
                assert await bg.list(bgjobs.JobFilter("failed", name=name, search=text)) == []
        with pytest.raises(SearchError, match="at most 500 characters, found 501"):
            bgjobs.JobFilter("failed", search="x" * 501)
        assert len(await bg.list(bgjobs.JobFilter("failed", search='"route" (to) alp*'))) == 1


FILTERS: list[tuple[dict[str, Any], str]] = [
    ({"search": 5}, "search: expected str, found int"),
    ({"name": 5}, "name: expected str or None, found int"),
    ({"queue": 5}, "queue: expected str or None, found int"),
    ({"owner": "x"}, "owner: expected UUID, found str"),
    ({"before": 5}, "before: expected a datetime with a time zone, found int"),
    ({"after": "now"}, "after: expected a datetime with a time zone, found str"),
    ({"metadata": {"k": 1}}, "metadata: value: expected str, found int"),
]


async def test_arguments_of_wrong_types_are_refused_before_anything_changes(
    app: Harness,
) -> None:
    wrong: Any = "nonsense"
    number: Any = 5
    naive = datetime(2030, 1, 1)  # noqa: DTZ001 - refused below
    async with bgjobs.run(app.config(broken, fine, **NO_RETRIES)) as bg:
        await fail_some(bg, "alpha")
        job = await bg.enqueue(fine.request().available_in(hours=1))
        admin = bg.admin
        text_of_an_id: Any = str(job.id)
        failed, delayed = bgjobs.JobFilter("failed"), bgjobs.JobFilter("delayed")
        nothing: Any = None
        cases: list[tuple[Callable[[], Awaitable[object]], str]] = [
            (lambda: bg.find(wrong), "find: expected a UUID, found str"),
            (lambda: bg.find(text_of_an_id), "find: expected a UUID, found str"),
            (lambda: bg.find(nothing), "find: expected a UUID, found None"),
            (lambda: admin.find_unreadable(wrong), "find_unreadable: expected a UUID, found str"),
            (lambda: bg.list(wrong), "list: wanted: expected a JobFilter, found str"),
            (lambda: bg.list(failed, number), "list: page: expected Page, found int"),
            (lambda: bg.count(at_most=wrong), "count: at_most: expected int, found str"),
            (lambda: bg.timeline(wrong), "timeline: expected a job, found str"),
            (lambda: admin.reschedule(job.id, in_=number), "reschedule: in_: expected a timedelta, found int"),
            (lambda: admin.reschedule(job.id, at=wrong), "reschedule: at: expected a datetime with a time zone, found str"),
            (lambda: admin.retry_all(number), "retry_all: wanted: expected a JobFilter, found int"),
            (lambda: admin.retry_all(failed, by=number), "by: expected str, found int"),
            (lambda: admin.retry_all(failed, progress=number), "progress: expected a plain function, found int"),
            (lambda: admin.cancel(job.id, reason="x", by=number), "by: expected str, found int"),
            (lambda: admin.cancel_all(number, reason="x"), "cancel_all: wanted: expected a JobFilter, found int"),
            (lambda: admin.cancel_all(delayed, reason=number), "reason: expected str, found int"),
            (lambda: admin.cancel_all(delayed, reason="x", progress=number), "progress: expected a plain function, found int"),
            (lambda: admin.prune(cancelled_for=number), "prune: cancelled_for: expected a timedelta, found int"),
            (lambda: admin.prune(failed_for=number), "prune: failed_for: expected a timedelta, found int"),
            (lambda: admin.prune(succeeded_for=wrong), "prune: succeeded_for: expected a timedelta, found str"),
            (lambda: admin.prune(failed_for=timedelta(0), progress=number), "progress: expected a plain function, found int"),
            (lambda: admin.import_failed(wrong), "import_failed: expected lines, found one str; split it into lines"),
            (lambda: admin.import_failed([], progress=number), "progress: expected a plain function, found int"),
        ]  # fmt: skip
        for call, text in cases:
            with pytest.raises(TypeError) as caught:
                await call()
            assert text in str(caught.value)
        with pytest.raises(
            TypeError, match="export_failed: wanted: expected a JobFilter, found"
        ):
            admin.export_failed(number)
        for properties, text in FILTERS:
            with pytest.raises(TypeError) as refused:
                bgjobs.JobFilter("failed", **properties)
            assert str(refused.value) == text
        with pytest.raises(ValueError, match="prune: failed_for: expected 0 seconds or more"):
            await admin.prune(failed_for=timedelta(seconds=-1))
        with pytest.raises(ValueError, match="count: at_most: expected 0 or more, found -1"):
            await bg.count(at_most=-1)
        with pytest.raises(NaiveDatetimeError, match="reschedule: at"):
            await admin.reschedule(job.id, at=naive)
        with pytest.raises(NaiveDatetimeError, match="before"):
            bgjobs.JobFilter("failed", before=naive)
        assert await bg.find(job.id) == job
        assert len(await bg.list(bgjobs.JobFilter("failed"))) == 1


@pytest.mark.parametrize(
    ("limit", "after", "text"),
    [
        ("5", None, "Page: limit: expected int, found str"),
        (True, None, "Page: limit: expected int, found bool"),
        (None, None, "Page: limit: expected int, found None"),
        (5, "nonsense", "Page: after: expected a UUID, found str"),
    ],
)
def test_a_page_with_wrong_types_is_refused(limit: Any, after: Any, text: str) -> None:
    with pytest.raises(TypeError) as caught:
        bgjobs.Page(limit, after)
    assert str(caught.value) == text


def test_a_page_with_a_negative_limit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Page: limit: expected 0 or more, found -1"):
        bgjobs.Page(-1)
