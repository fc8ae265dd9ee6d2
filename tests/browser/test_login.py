"""Both logins: by the link of `bgjobs web`, and by name and password."""

from collections.abc import Generator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import serving
from tests.browser.visits import check_accessible, log_in, watched


@pytest.fixture
def own_link(tmp_path: Path) -> Generator[str]:
    """The link that `bgjobs web` prints."""
    with serving(tmp_path, {}) as url:
        yield url


def test_the_link_logs_in_the_first_browser_that_opens_it(
    chromium: Browser, own_link: str
) -> None:
    start, _, _ = own_link.partition("?")
    with chromium.new_context() as context, chromium.new_context() as other:
        tab = context.new_page()
        with watched(tab, start.rstrip("/")):
            tab.goto(own_link)
        expect(tab.get_by_role("heading", level=1)).to_have_text("Overview")
        assert tab.url == start
        tab.reload()
        expect(tab.get_by_role("heading", level=1)).to_have_text("Overview")
        again = other.new_page().goto(own_link)
        assert again is not None
        assert again.status == 401


def test_a_user_logs_in_and_out(chromium: Browser, site: str) -> None:
    with chromium.new_context() as context:
        tab = context.new_page()
        with watched(tab, site):
            tab.goto(f"{site}/")
            assert tab.url.startswith(f"{site}/login")
            # If it is asked for changes behind the logout, the server refuses that.
            with tab.expect_response(f"{site}/live"):
                log_in(tab)
            expect(tab.get_by_role("heading", level=1)).to_have_text("Overview")
            assert tab.url == f"{site}/"
            tab.get_by_role("button", name="Log out").click()
            expect(tab.get_by_role("heading", level=1)).to_have_text("Log in")
        tab.goto(f"{site}/")
        assert tab.url.startswith(f"{site}/login")


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_the_form_is_accessible_before_and_after_a_wrong_password(
    colours: Literal["light", "dark"], chromium: Browser, site: str
) -> None:
    with chromium.new_context(color_scheme=colours) as context:
        tab = context.new_page()
        tab.goto(f"{site}/login")
        check_accessible(tab)
        tab.get_by_label("Name").fill("ada")
        tab.get_by_label("Password").fill("wrong")
        tab.get_by_role("button", name="Log in").click()
        expect(tab.get_by_role("alert")).to_be_visible()
        check_accessible(tab)
