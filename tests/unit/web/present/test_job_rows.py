"""Rows of lists of jobs."""

from typing import Any
from uuid import UUID

import pytest

import bgjobs
from bgjobs.web.present.job_rows import job_rows, progress_text, state_time
from tests.unit.web.present.lives import SHARED, T0, at, failed

HEAD = "0190a1b2-c3d4-7000-8000-"


def live(**more: Any) -> bgjobs.Job[Any]:
    return bgjobs.Job(**{**SHARED, **more})


def progress(done: float, total: float | None = None, note: str | None = None) -> str:
    return progress_text(bgjobs.Progress(done=done, total=total, note=note, reported_at=T0))


@pytest.mark.parametrize(
    ("tails", "digits"),
    [
        ((), ()),
        (("000000000001",), (8,)),
        (("000000000001", "100000000000"), (21, 21)),
        (("000000000001", "000000000002"), (32, 32)),
        (("000000000001", "000000000001"), (8, 8)),
    ],
)
def test_ids_are_as_short_as_a_list_allows(
    tails: tuple[str, ...], digits: tuple[int, ...]
) -> None:
    rows = job_rows([live(id=UUID(HEAD + tail)) for tail in tails])
    assert tuple(len(row.short_id) for row in rows) == digits
    assert all(row.id.hex.startswith(row.short_id) for row in rows)


def test_the_time_is_that_of_the_state() -> None:
    jobs: list[bgjobs.AnyJob] = [
        live(available_at=at(5)),
        live(reserved_at=at(6), state="running"),
        failed(end=7),
        bgjobs.SucceededJob(**SHARED, succeeded_at=at(8)),
        bgjobs.CancelledJob(**SHARED, cancelled_at=at(9), reason="x"),
    ]
    assert [state_time(job) for job in jobs] == [at(5), at(6), at(7), at(8), at(9)]


def test_progress_is_never_rounded_up() -> None:
    assert progress(0) == "0"
    assert progress(1_234.5, note="rows") == "1,234.5: rows"
    assert progress(999, 1_000) == "999 of 1,000, 99 %"
    assert progress(2**53 - 1) == "9,007,199,254,740,991"
    assert progress(0.1) == "0.1"
    assert progress(1, 0) == "1 of 0, 100 %"


def test_an_unreadable_row_has_its_reason_and_whatever_is_stored_as_its_name() -> None:
    names: list[str | int | None] = ["mail", 5, None]
    rows = job_rows(
        [
            bgjobs.UnreadableJob(
                id=UUID(int=1), table="jobs", reason="name: no", columns={"name": name}
            )
            for name in names
        ]
    )
    assert [(row.name, row.text, row.at, row.attempt) for row in rows] == [
        ("mail", "name: no", None, None),
        ("5", "name: no", None, None),
        ("None", "name: no", None, None),
    ]
