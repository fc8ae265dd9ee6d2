"""A queue is paused and resumed, while jobs wait for it."""

from pathlib import Path

from playwright.sync_api import Locator, expect

from tests.browser.conftest import enqueue, working
from tests.browser.operators import DEADLINE_MS, Operator


def test_jobs_wait_for_a_paused_queue_and_run_when_it_is_resumed(
    ada: Operator, tmp_path: Path
) -> None:
    ada.click("link", "Queues")
    ada.click_in(ada.row("default"), "link", "Pause")
    ada.sees("Pause default?")
    ada.click("button", "Pause")
    expect(_state(ada)).to_contain_text("paused")
    for name in ("Eva", "Ivo"):
        enqueue(tmp_path, "greet", "--args", f'["{name}"]')
    with working(tmp_path):
        expect(_cell(ada, "Processes")).to_have_text("1", timeout=DEADLINE_MS)
        expect(_cell(ada, "Waiting")).to_have_text("2", timeout=DEADLINE_MS)
        ada.shows_jobs("waiting")
        expect(ada.row("greet")).to_have_count(2)
        ada.click("link", "Queues")
        ada.click_in(ada.row("default"), "link", "Resume")
        ada.click("button", "Resume")
        expect(_state(ada)).to_contain_text("running")
        expect(_cell(ada, "Waiting")).to_have_text("0", timeout=DEADLINE_MS)
    ada.shows_jobs("succeeded")
    expect(ada.row("greet")).to_have_count(4)


def _state(ada: Operator) -> Locator:
    return _cell(ada, "State")


def _cell(ada: Operator, column: str) -> Locator:
    """Return the cell of the queue `default` in a column."""
    columns = ada.tab.get_by_role("columnheader").all_inner_texts()
    return ada.row("default").locator("th, td").nth(columns.index(column))
