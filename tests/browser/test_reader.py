"""A user who may read sees everything, and changes nothing."""

import re
from collections.abc import Generator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.operators import Operator, logged_in
from tests.browser.visits import watched

CHANGES = (
    "/jobs/change?do=retry&all=1&state=failed",
    "/jobs/export?state=failed",
    "/queues/change?do=pause&name=default",
    "/schedules/change?do=trigger&name=cleaning",
)


@pytest.fixture
def ben(chromium: Browser, site: str) -> Generator[Operator]:
    """A user who may read."""
    with chromium.new_context() as context:
        yield logged_in(context.new_page(), site, "ben")


def test_a_reader_is_offered_no_change(ben: Operator, site: str) -> None:
    changes = ben.tab.locator("a.button, input[type=checkbox], a[href*='/change']")
    with watched(ben.tab, site):
        for page in ("Overview", "Queues", "Schedules", "Actions", "Audit"):
            ben.click("link", page)
            ben.sees(page)
            expect(changes).to_have_count(0)
        ben.shows_jobs("failed")
        expect(ben.rows).to_have_count(2)
        expect(changes).to_have_count(0)
        expect(ben.tab.get_by_role("link", name=re.compile("Export"))).to_have_count(0)
        ben.rows.first.get_by_role("link").click()
        expect(ben.fact("State")).to_have_text("failed")
        expect(changes).to_have_count(0)
        expect(ben.tab.get_by_role("button")).to_have_text(["Log out"])


@pytest.mark.parametrize("address", CHANGES)
def test_the_address_of_a_form_is_refused(address: str, ben: Operator, site: str) -> None:
    answer = ben.tab.goto(f"{site}{address}")
    assert answer is not None
    assert answer.status == 403
    ben.sees("Not allowed")
    ben.says("Nothing was changed: your user may read this page, and change nothing.")
    expect(ben.tab.get_by_role("button")).to_have_count(0)
    ben.click("link", "To the first page")
    ben.sees("Overview")
