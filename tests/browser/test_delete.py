"""Some of the jobs of a list are selected and deleted, with and without scripts."""

from collections.abc import Generator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import run_jobs
from tests.browser.operators import Operator, logged_in


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
def visitor(
    request: pytest.FixtureRequest, chromium: Browser, own_site: str
) -> Generator[Operator]:
    """A user who may act, with and without scripts."""
    with chromium.new_context(java_script_enabled=request.param) as context:
        yield logged_in(context.new_page(), own_site, "ada")


def test_only_the_jobs_that_were_not_selected_are_left(
    visitor: Operator, tmp_path: Path
) -> None:
    run_jobs(tmp_path, {})
    visitor.shows_jobs("failed")
    expect(visitor.rows).to_have_count(4)
    kept = visitor.rows.nth(2).get_by_role("link").get_attribute("title") or ""
    for number in (0, 1, 3):
        visitor.rows.nth(number).get_by_role("checkbox").check()
    visitor.click("button", "Delete")
    visitor.sees("Delete 3 jobs?")
    visitor.says("They are gone for ever")
    visitor.click("button", "Delete 3 jobs")
    visitor.says("Done: 3 jobs changed.")
    visitor.click("link", "Jobs of this filter")
    expect(visitor.rows).to_have_count(1)
    expect(visitor.rows.get_by_role("link")).to_have_attribute("title", kept)
    visitor.click("link", "Audit")
    expect(visitor.row("delete")).to_have_count(1)
    expect(visitor.row("delete")).to_contain_text("ada")


def test_a_form_without_a_selection_changes_nothing(visitor: Operator) -> None:
    visitor.shows_jobs("failed")
    visitor.click("button", "Delete")
    visitor.sees("Nothing was changed")
    visitor.says("No job is selected. Go back and select some.")
    visitor.tab.go_back()
    expect(visitor.rows).to_have_count(2)
