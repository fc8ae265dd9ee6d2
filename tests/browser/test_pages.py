"""Each page, in a browser: colours, widths, keyboard, scripts and times."""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from bgjobs.web.pages import PAGES
from tests.browser.conftest import STATES_OF_JOBS, Opened
from tests.browser.visits import check_accessible, watched

PATHS = [page.path for page in PAGES if page.in_navigation]
FILTERED = "/jobs?state=failed&name=fail&search=script"
KATHMANDU = "Asia/Kathmandu"
FORMS = (
    *("retry", "cancel", "reschedule"),
    "/jobs/export?state=failed",
    "/queues/change?do=pause&name=default",
    "/schedules/change?do=trigger&name=cleaning",
    *("/new", "/new?worker=greet"),
)
"""The forms that change something; the first ones with the job of a state."""
_TEXTS = "main :is(h1, h2, h3, th, dt, label, button, summary, caption):not(:has(time))"
_READ_TIMES = "all => all.map(one => [one.dateTime, one.textContent, one.title])"


@pytest.fixture(params=[*PATHS, FILTERED, *STATES_OF_JOBS, *FORMS, "action"])
def address(
    request: pytest.FixtureRequest,
    site: str,
    pages_of_jobs: Mapping[str, str],
    page_of_action: str,
) -> str:
    """The address of each page without parameters, of jobs, of forms and of an action."""
    page: str = request.param
    pages = {
        **pages_of_jobs,
        "action": page_of_action,
        "retry": _change("retry", pages_of_jobs["failed"]),
        "cancel": _change("cancel", pages_of_jobs["delayed"]),
        "reschedule": _change("reschedule", pages_of_jobs["delayed"]),
    }
    return site + pages.get(page, page)


def _change(verb: str, page: str) -> str:
    return f"/jobs/change?do={verb}&job={page.rpartition('/')[2]}"


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_a_page_is_accessible_and_stays_at_home(
    address: str, colours: str, site: str, opened: Opened
) -> None:
    tab = opened(color_scheme=colours)
    with watched(tab, site):
        answer = tab.goto(address)
    assert answer is not None
    assert answer.status == 200
    check_accessible(tab)


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_the_page_of_an_error_is_accessible(colours: str, site: str, opened: Opened) -> None:
    tab = opened(color_scheme=colours)
    answer = tab.goto(f"{site}/no-such-page")
    assert answer is not None
    assert answer.status == 404
    check_accessible(tab)


@pytest.mark.parametrize("width", [360, 2560])
def test_a_page_does_not_scroll_sideways(address: str, width: int, opened: Opened) -> None:
    tab = opened(viewport={"width": width, "height": 800})
    tab.goto(address)
    beyond = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert tab.evaluate(beyond) == 0


def test_the_first_stop_of_the_keyboard_skips_to_the_content(
    address: str, opened: Opened
) -> None:
    tab = opened()
    tab.goto(address)
    tab.keyboard.press("Tab")
    link = tab.get_by_role("link", name="Skip to the content")
    expect(link).to_be_focused()
    expect(link).to_be_in_viewport(ratio=1)
    tab.keyboard.press("Enter")
    expect(tab.locator("main")).to_be_focused()


def test_everything_is_readable_without_scripts(address: str, opened: Opened) -> None:
    with_scripts, without = opened(), opened(java_script_enabled=False)
    for tab in (with_scripts, without):
        tab.goto(address)
    assert without.locator("h1").count() == 1
    assert without.locator(_TEXTS).all_inner_texts() == (
        with_scripts.locator(_TEXTS).all_inner_texts()
    )
    times = without.locator("time.absolute").all_text_contents()
    assert [one for one in times if not one.endswith(" UTC")] == []


def test_times_are_in_the_zone_of_the_reader(address: str, opened: Opened) -> None:
    tab = opened(timezone_id=KATHMANDU, locale="en-GB")
    tab.goto(address)
    times = tab.locator("time.absolute").evaluate_all(_READ_TIMES)
    for instant, shown, title in times:
        local = datetime.fromisoformat(instant).astimezone(ZoneInfo(KATHMANDU))
        assert shown == local.strftime("%d/%m/%Y, %H:%M:%S")
        assert title.endswith(" UTC")


def test_the_overview_has_a_time(site: str, opened: Opened) -> None:
    tab = opened()
    tab.goto(f"{site}/")
    assert tab.locator("time.absolute").count() > 0
