"""Jobs as lines of CSV: no cell is a formula, no line breaks, and nothing private is in it."""

import csv
import io
import json
from typing import Any

import pytest

import bgjobs
from bgjobs.web.present.csv_rows import COLUMNS, csv_head, csv_row
from tests.unit.web.present.lives import SHARED, at, failed


def cells(job: bgjobs.AnyJob) -> dict[str, str]:
    [head, row] = csv.reader(io.StringIO(csv_head() + csv_row(job)))
    return dict(zip(head, row, strict=True))


def named(name: str, **more: Any) -> bgjobs.Job[Any]:
    return bgjobs.Job(**{**SHARED, "name": name, "payload": '"4111-1111"', **more})


def test_a_line_has_the_facts_of_a_job() -> None:
    found = cells(failed(end=7))
    assert [*found] == [*COLUMNS]
    assert (found["id"], found["worker"], found["state"]) == (
        str(SHARED["id"]),
        "mail",
        "failed",
    )
    assert found["since"] == at(7).isoformat()
    job = bgjobs.CancelledJob(**SHARED, cancelled_at=at(9), reason="no stock\nat all")
    assert cells(job)["error_or_reason"] == "no stock"


@pytest.mark.parametrize("name", ["=1+1", "+1a", "-a", "@a", "\t=1", "\r=1", "=\u202e"])
def test_no_cell_is_a_formula(name: str) -> None:
    found = cells(named(name, unique_key=name))
    for cell in (found["worker"], found["unique_key"]):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
        assert "\u202e" not in cell


def test_a_negative_number_stays_a_number() -> None:
    assert cells(named("a", priority=-7))["priority"] == "-7"


@pytest.mark.parametrize("name", ['a"b', "a,b", "a\nb", "a\r\nb", "a\0b"])
def test_a_job_is_one_line(name: str) -> None:
    line = csv_row(named(name))
    assert line.count("\n") == 1
    assert len(cells(named(name))) == len(COLUMNS)


def test_metadata_are_json_and_arguments_are_left_out() -> None:
    found = cells(named("a", metadata={"tenant": "7"}))
    assert json.loads(found["metadata"]) == {"tenant": "7"}
    assert "4111" not in csv_row(named("a"))
