"""Jobs are exported for a program for tables."""

import csv
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Opened
from tests.browser.operators import Operator

FORMULA = "=1+1"


def test_the_file_has_the_rows_and_no_formulas(ada: Operator, tmp_path: Path) -> None:
    _cancel_all_delayed(ada, FORMULA)
    ada.shows_jobs("cancelled")
    ada.click("link", "Export all that match as CSV")
    ada.sees("Export jobs?")
    ada.says("2 cancelled jobs as a file of comma-separated values")
    with ada.tab.expect_download() as started:
        ada.click("button", "Export")
    file = tmp_path / started.value.suggested_filename
    started.value.save_as(file)
    with file.open(newline="") as lines:
        jobs = list(csv.DictReader(lines))
    assert file.name == "jobs-cancelled.csv"
    assert [job["worker"] for job in jobs] == ["greet", "greet"]
    assert [job["error_or_reason"] for job in jobs] == [f"'{FORMULA}"] * 2
    ada.click("link", "Audit")
    expect(ada.row("export")).to_have_count(1)


@pytest.mark.usefixtures("pages_of_jobs")  # has read the jobs, which finds the unreadable one
def test_no_file_of_unreadable_rows_is_offered(site: str, opened: Opened) -> None:
    tab = opened()
    export = tab.get_by_role("link", name="Export all that match as CSV")
    for state, count in (("failed", 1), ("unreadable", 0)):
        tab.goto(f"{site}/jobs?state={state}")
        expect(tab.locator("tbody tr").first).to_be_visible()
        expect(export).to_have_count(count)


def _cancel_all_delayed(ada: Operator, reason: str) -> None:
    ada.click("link", "Jobs")
    ada.tab.get_by_label("State").select_option("delayed")
    ada.tab.get_by_label("Worker").fill("greet")
    ada.click("button", "Show")
    ada.click("radio", "all jobs that match the filter")
    ada.click("button", "Cancel")
    ada.tab.get_by_label("Reason").fill(reason)
    ada.click("button", "Cancel all delayed jobs that match")
    ada.says("Done: 2 jobs changed.")
