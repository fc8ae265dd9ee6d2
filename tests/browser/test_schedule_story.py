"""A scheduled job is run out of turn, paused and resumed."""

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import working
from tests.browser.operators import DEADLINE_MS, Operator


def test_a_scheduled_job_is_run_now_paused_and_resumed(ada: Operator, tmp_path: Path) -> None:
    ada.click("link", "Schedules")
    ada.click_in(ada.row("cleaning"), "link", "Run now")
    ada.sees("Run now cleaning?")
    ada.click("button", "Run now")
    ada.sees("Job")
    expect(ada.fact("Worker")).to_have_text("purge")
    with working(tmp_path):
        expect(ada.fact("State")).to_have_text("succeeded", timeout=DEADLINE_MS)
    expect(ada.fact("Last queue")).to_have_text("cleaning")
    ada.click("link", "Schedules")
    for change, state in (("Pause", "paused"), ("Resume", "waiting")):
        ada.click_in(ada.row("cleaning"), "link", change)
        ada.sees(f"{change} cleaning?")
        ada.click("button", change)
        ada.sees("Schedules")
        expect(ada.row("cleaning").locator("td").nth(1)).to_contain_text(state)
    ada.click("link", "Audit")
    expect(ada.row("cleaning")).to_have_count(3)
