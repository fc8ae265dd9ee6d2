"""A part of a page that its reader uses does not change under the hands."""

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import enqueue
from tests.browser.operators import DEADLINE_MS, Operator

WAITS = "There is newer data."


def test_a_part_waits_until_its_reader_has_closed_what_was_opened(
    ada: Operator, tmp_path: Path
) -> None:
    fold = ada.tab.get_by_text("As a table").first
    fold.click()
    enqueue(tmp_path, "greet", "--args", '["Eva"]')
    notice = ada.tab.get_by_role("status").filter(has_text=WAITS)
    expect(notice).to_be_visible(timeout=DEADLINE_MS)
    expect(ada.fact("waiting")).to_have_text("0")
    fold.click()
    ada.tab.locator("h1").click()
    expect(ada.fact("waiting")).to_have_text("1", timeout=DEADLINE_MS)
    expect(notice).to_have_count(0)
