"""What holds for each page with lists."""

import re
from typing import Any

import pytest

import bgjobs
from bgjobs import web
from bgjobs.web.pages import PAGES
from bgjobs.web.pages.parts import by_worker
from tests.fixtures.databases import SQLiteFile
from tests.fixtures.faulty_store import FaultyStore
from tests.web.browser import Browser
from tests.web.lists import browsing, prepared, shown

pytestmark = pytest.mark.anyio
PATHS = ["/queues", "/workers", "/schedules", "/nodes", "/health"]


@bgjobs.worker
async def send(to: str) -> None: ...


def config_of(store: Any) -> bgjobs.Config:
    queues = [bgjobs.Queue(f"q{number}", workers=[send]) for number in range(101)]
    return bgjobs.Config(store=store, queues=queues, store_timeout=0.01)


@pytest.fixture
def store(sqlite_file: SQLiteFile) -> FaultyStore:
    with prepared(sqlite_file):
        pass
    return FaultyStore(sqlite_file.store())


def test_each_page_with_lists_is_in_the_navigation() -> None:
    assert [page.path for page in PAGES if page.path in PATHS and page.in_navigation] == PATHS


@pytest.mark.parametrize("path", PATHS)
async def test_a_store_without_operations_costs_parts_only(
    path: str, store: FaultyStore
) -> None:
    without: Any = store
    without.operations = None
    text = (await shown(config_of(without), path)).text
    assert ("cannot be read: the store refused it." in text) == (path != "/schedules")


@pytest.mark.parametrize("path", PATHS)
async def test_an_unavailable_store_costs_the_whole_page(path: str, store: FaultyStore) -> None:
    operations = FaultyStore(store.operations)
    wrapped: Any = store
    wrapped.operations = operations
    async with browsing(config_of(wrapped)) as browser:
        store.away = operations.away = True
        assert (await browser.get(path)).status == 503


@pytest.mark.parametrize("path", PATHS)
async def test_all_addresses_of_lists_are_below_the_mount(
    path: str, store: FaultyStore
) -> None:
    page = web.app({"shop": config_of(store)}, auth=lambda _: web.User("ada"))
    async with page.opened():
        answer = await Browser(page, root_path="/admin").get(f"/shop{path}?page=1")
    addresses = re.findall(r'href="([^"#][^"]*)"', answer.text)
    following = ["/admin/shop/queues?page=2"] if path == "/queues" else []
    assert answer.status == 200
    assert [one for one in addresses if path in one] == [f"/admin/shop{path}", *following]
    assert [one for one in addresses if not one.startswith(("/admin/", "data:"))] == []


def test_nothing_is_added_up_without_activity() -> None:
    assert by_worker([]) == {}
