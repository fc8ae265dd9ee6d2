"""A job failed at night, and an operator makes up for it in the morning."""

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import enqueue, working
from tests.browser.operators import DEADLINE_MS, IS_MARKED, MARK, Operator

MOST_CLICKS = 6


def test_a_failed_job_is_found_retried_and_seen_to_succeed(
    ada: Operator, tmp_path: Path
) -> None:
    enqueue(tmp_path, "restock", "--kwargs", '{"file": "stock.json"}')
    failure = ada.part("Latest failures").get_by_text("FileNotFoundError")
    with working(tmp_path):
        expect(failure).to_be_visible(timeout=DEADLINE_MS)
    ada.follow("FileNotFoundError")
    expect(ada.fact("State")).to_have_text("failed")
    expect(ada.part("Errors")).to_contain_text("No such file or directory: 'stock.json'")
    (tmp_path / "stock.json").write_text("{}")
    ada.click("link", "Retry")
    ada.click("button", "Retry 1 job")
    ada.says("Done: 1 job changed.")
    ada.follow("^Job ")
    expect(ada.fact("State")).to_have_text("waiting")
    ada.tab.evaluate(MARK)
    with working(tmp_path):
        expect(ada.fact("State")).to_have_text("succeeded", timeout=DEADLINE_MS)
    expect(ada.part("Retries by operators")).to_contain_text("ada")
    assert ada.tab.evaluate(IS_MARKED)
    assert len(ada.clicks) <= MOST_CLICKS, ada.clicks
