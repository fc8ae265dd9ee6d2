"""What an operator does with the page, over each store and on each event loop."""

from collections.abc import Generator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import run_jobs, serving
from tests.browser.visits import log_in, watched
from tests.fixtures.databases import Database, PostgresSchema

DEADLINE_MS = 30_000
"""A generous time for what another process does."""
MARK = "window.isTheSamePage = true"


@pytest.fixture(params=["trio", "asyncio"])
def env(request: pytest.FixtureRequest, database: Database) -> dict[str, str]:
    """Where the application finds its event loop and its store."""
    found = {"SHOP_LOOP": request.param}
    if isinstance(database, PostgresSchema):
        found |= {"SHOP_DSN": database.dsn, "SHOP_SCHEMA": database.schema}
    return found


@pytest.fixture
def shop(tmp_path: Path, env: dict[str, str]) -> Generator[str]:
    """The address of a page with users, without the last slash."""
    with serving(tmp_path, env, "--auth", "shop:users") as url:
        yield url.rstrip("/")


def test_a_job_failed_and_an_operator_reads_why(chromium: Browser, shop: str) -> None:
    with chromium.new_context() as of_ada, chromium.new_context() as of_ben:
        ada, ben = of_ada.new_page(), of_ben.new_page()
        with watched(ada, shop):
            _log_in(ada, shop, "ada")
            _open_the_first_failed_job(ada)
            _read_the_frames(ada)
        expect(_part(ada, "Arguments")).to_contain_text('text: "')
        _log_in(ben, shop, "ben")
        ben.goto(ada.url)
        expect(_part(ben, "Arguments")).to_contain_text("may not see arguments")
        expect(_part(ben, "Arguments").locator("dd")).to_have_text("string")


def _log_in(tab: Page, shop: str, name: str) -> None:
    tab.goto(f"{shop}/")
    log_in(tab, name)
    tab.wait_for_url(f"{shop}/")


def _part(tab: Page, heading: str) -> Locator:
    return tab.get_by_role("region", name=heading, exact=True)


def _open_the_first_failed_job(tab: Page) -> None:
    expect(_part(tab, "Latest failures")).to_contain_text("ValueError: <script>")
    tab.get_by_role("link", name="Jobs", exact=True).click()
    tab.get_by_label("State").select_option("failed")
    tab.get_by_role("button", name="Show").click()
    expect(tab.locator("tbody tr")).to_have_count(2)
    tab.locator("tbody a").first.click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("Job")


def _read_the_frames(tab: Page) -> None:
    """Open what is folded in the error of a job, down to the code that raised it."""
    error = _part(tab, "Errors")
    own, of_json = error.get_by_text("in refuse"), error.get_by_text("in raw_decode")
    expect(own).to_be_hidden()
    error.get_by_text("of libraries").first.click()
    expect(own).to_be_visible()
    expect(of_json).to_be_hidden()
    error.get_by_text("of libraries").last.click()
    expect(of_json).to_be_visible()


def test_the_overview_follows_what_another_process_does(
    chromium: Browser, shop: str, env: dict[str, str], tmp_path: Path
) -> None:
    with chromium.new_context() as context:
        tab = context.new_page()
        with watched(tab, shop):
            _log_in(tab, shop, "ben")
            tab.evaluate(MARK)
            expect(_counted(tab, "succeeded")).to_have_text("3")
            run_jobs(tmp_path, env)
            expect(_counted(tab, "succeeded")).to_have_text("6", timeout=DEADLINE_MS)
            expect(_counted(tab, "failed")).to_have_text("4", timeout=DEADLINE_MS)
            expect(_counted(tab, "delayed")).to_have_text("5", timeout=DEADLINE_MS)
        assert tab.evaluate("window.isTheSamePage")


def _counted(tab: Page, state: str) -> Locator:
    return tab.locator(f".counts .{state} dd")
