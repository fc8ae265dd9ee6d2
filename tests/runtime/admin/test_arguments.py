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
    async with bgjobs.run(sqlite_app.config(fine)) as bg:
        with pytest.raises(ValueError, match=r"state: expected one of .*, found 'finished'"):
            await bg.admin.list(wrong)
        with pytest.raises(ValueError, match="search: expected none for waiting jobs"):
            await bg.admin.list("waiting", search="x")
        with pytest.raises(
            ValueError, match="expected a word of letters or digits, found '--'"
        ):
            await bg.admin.list("failed", search="--")
        with pytest.raises(UnknownJobError, match=f"no job {unknown}: it was never stored, or"):
            await bg.admin.get(unknown)
        with pytest.raises(ValueError, match="reschedule: expected one of at= and in_="):
            await bg.admin.reschedule(unknown)
        with pytest.raises(ValueError, match="reason: expected a text, found an empty one"):
            await bg.admin.cancel(unknown, reason=" ")
        with pytest.raises(UnknownNameError, match=r"no queue 'defualt'.* mean 'default'"):
            await bg.admin.pause_queue("defualt")
        with pytest.raises(UnknownNameError, match="no scheduled job 'x'"):
            bg.admin.schedule("x")


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
                await bg.admin.list("failed", search=text)
            with pytest.raises(SearchError):
                await bg.admin.retry_failed(search=text)
            with pytest.raises(SearchError):
                bg.admin.export_failed(search=text)
        for text in STRANGE_WORDS:
            for name in (None, "broken"):
                assert await bg.admin.list("failed", name=name, search=text) == []
        with pytest.raises(SearchError, match="at most 500 characters, found 501"):
            await bg.admin.list("failed", search="x" * 501)
        assert len(await bg.admin.list("failed", search='"route" (to) alp*')) == 1


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
        nothing: Any = None
        cases: list[tuple[Callable[[], Awaitable[object]], str]] = [
            (lambda: bg.find(wrong), "find: expected a UUID, found str"),
            (lambda: bg.find(text_of_an_id), "find: expected a UUID, found str"),
            (lambda: bg.find(nothing), "find: expected a UUID, found None"),
            (lambda: admin.get(wrong), "get: expected a UUID, found str"),
            (lambda: admin.list("failed", search=number), "search: expected str, found int"),
            (lambda: admin.list("failed", name=number), "name: expected str or None, found int"),
            (lambda: admin.count(at_most=wrong), "count: at_most: expected int, found str"),
            (lambda: admin.reschedule(job.id, in_=number), "reschedule: in_: expected a timedelta, found int"),
            (lambda: admin.reschedule(job.id, at=wrong), "reschedule: at: expected a datetime with a time zone, found str"),
            (lambda: admin.retry_failed(before=number), "before: expected a datetime with a time zone, found int"),
            (lambda: admin.retry_failed(name=number), "name: expected str or None, found int"),
            (lambda: admin.retry_failed(progress=number), "progress: expected a plain function, found int"),
            (lambda: admin.cancel_waiting(reason="x", progress=number), "progress: expected a plain function, found int"),
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
        with pytest.raises(TypeError, match="name: expected str or None, found int"):
            admin.export_failed(name=number)
        with pytest.raises(ValueError, match="prune: failed_for: expected 0 seconds or more"):
            await admin.prune(failed_for=timedelta(seconds=-1))
        with pytest.raises(ValueError, match="count: at_most: expected 0 or more, found -1"):
            await admin.count(at_most=-1)
        with pytest.raises(NaiveDatetimeError, match="reschedule: at"):
            await admin.reschedule(job.id, at=naive)
        with pytest.raises(NaiveDatetimeError, match="before"):
            await admin.retry_failed(before=naive)
        assert await bg.find(job.id) == job
        assert len(await admin.list("failed")) == 1


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
