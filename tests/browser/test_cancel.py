"""A running job is cancelled, with a reason."""

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import enqueue, working
from tests.browser.operators import DEADLINE_MS, Operator

REASON = "it <b>hangs</b>"


def test_a_running_job_ends_as_cancelled_with_its_reason(ada: Operator, tmp_path: Path) -> None:
    enqueue(tmp_path, "linger")
    with working(tmp_path):
        ada.shows_jobs("waiting")
        expect(ada.rows).to_have_count(0, timeout=DEADLINE_MS)
        ada.shows_jobs("running")
        expect(ada.rows).to_have_count(1)
        ada.rows.get_by_role("link").click()
        expect(ada.fact("State")).to_have_text("running")
        ada.click("link", "Cancel")
        ada.tab.get_by_label("Reason").fill(REASON)
        ada.click("button", "Cancel 1 job")
        ada.says("Done: 1 job changed.")
        ada.follow("^Job ")
        expect(ada.fact("State")).to_have_text("cancelled", timeout=DEADLINE_MS)
    expect(ada.fact("Reason")).to_have_text(REASON)
    expect(ada.fact("Cancelled by")).to_have_text("ada")
    ada.click("link", "Audit")
    expect(ada.row("cancel")).to_have_count(1)
    expect(ada.row("cancel")).to_contain_text("ada")
