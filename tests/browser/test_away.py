"""An open page says so when it does not show what is."""

from collections.abc import Generator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import serving
from tests.browser.operators import DEADLINE_MS, Operator, logged_in
from tests.fixtures.postgres import drop_schema, random_schema
from tests.reliability.chaos.postgres.proxy import Proxy, target_of

NOTICE = "The database does not answer since"
OVER = "This page does not change any more"


@pytest.fixture
def proxy(postgres_dsn: str) -> Generator[Proxy]:
    """A proxy in front of the server, without a fault."""
    with Proxy(target_of(postgres_dsn)) as found:
        yield found


@pytest.fixture
def far_site(proxy: Proxy, postgres_dsn: str, tmp_path: Path) -> Generator[str]:
    """The address of a page whose database is behind the proxy."""
    schema = random_schema()
    env = {"SHOP_DSN": proxy.dsn(postgres_dsn), "SHOP_SCHEMA": schema}
    with serving(tmp_path, env, "--auth", "shop:users") as url:
        yield url.rstrip("/")
    drop_schema(postgres_dsn, schema)


def test_a_page_says_since_when_the_database_is_away(
    chromium: Browser, far_site: str, proxy: Proxy
) -> None:
    with chromium.new_context() as context:
        ada = logged_in(context.new_page(), far_site, "ada")
        notice = ada.tab.get_by_role("status")
        expect(notice).to_have_count(0)
        proxy.drop()
        expect(notice).to_contain_text(NOTICE, timeout=DEADLINE_MS)
        expect(ada.part("Jobs")).to_contain_text("succeeded")
        proxy.heal()
        expect(notice).to_have_count(0, timeout=DEADLINE_MS)


def test_a_page_says_that_its_session_has_ended(chromium: Browser, own_site: str) -> None:
    with chromium.new_context() as context:
        ada = logged_in(context.new_page(), own_site, "ada")
        other = Operator(context.new_page())
        other.tab.goto(ada.tab.url)
        other.click("button", "Log out")
        other.sees("Log in")
        expect(ada.tab.get_by_role("status")).to_contain_text(OVER, timeout=DEADLINE_MS)
