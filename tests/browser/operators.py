"""A user who works with the page: by the names of links, buttons and fields."""

import re
from typing import Any, Literal, final

from attrs import field, frozen
from playwright.sync_api import Locator, Page, expect

from tests.browser.visits import log_in

DEADLINE_MS = 30_000
"""A generous time for what another process does."""
MARK = "window.isTheSamePage = true"
IS_MARKED = "window.isTheSamePage === true"


@final
@frozen(eq=False)
class Operator:
    """A user in a tab."""

    tab: Page
    clicks: list[str] = field(factory=list[str])
    """What was clicked since the Overview was opened."""

    def click(self, role: Literal["link", "button", "checkbox", "radio"], name: str) -> None:
        """Click the only element of this role and name."""
        self._click(self.tab.get_by_role(role, name=name, exact=True), f"{role} {name}")

    def click_in(self, row: Locator, role: Literal["link", "button"], name: str) -> None:
        """Click the element of this role and name in a part of the page."""
        self._click(row.get_by_role(role, name=name, exact=True), f"{role} {name}")

    def follow(self, pattern: str) -> None:
        """Click the only link whose text matches."""
        link = self.tab.locator("main").get_by_role("link", name=re.compile(pattern))
        self._click(link, f"link {link.inner_text()}")

    def _click(self, element: Locator, what: str) -> None:
        element.click()
        self.clicks.append(what)

    def sees(self, heading: str) -> None:
        """Check the heading of the page."""
        expect(self.tab.get_by_role("heading", level=1)).to_have_text(heading)

    def shows_jobs(self, state: str) -> None:
        """Open the list of the jobs of a state, by the form of the page Jobs."""
        self.click("link", "Jobs")
        self.tab.get_by_label("State").select_option(state)
        self.click("button", "Show")

    def row(self, text: str) -> Locator:
        """Return the rows of tables in which a text is."""
        return self.tab.locator("tbody tr").filter(has_text=text)

    @property
    def rows(self) -> Locator:
        """The rows of the tables of the page."""
        return self.tab.locator("tbody tr")

    def part(self, heading: str) -> Locator:
        """Return the part of the page below a heading."""
        return self.tab.get_by_role("region", name=heading, exact=True)

    def fact(self, name: str) -> Locator:
        """Return the value beside a name in a list of facts."""
        term = self.tab.locator("dt", has_text=re.compile(f"^{name}$"))
        return term.locator("xpath=following-sibling::dd[1]")

    def says(self, *texts: Any) -> None:
        """Check that these texts are on the page."""
        for one in texts:
            expect(self.tab.locator("main")).to_contain_text(one)


def logged_in(tab: Page, site: str, name: str) -> Operator:
    """Return a user who has logged in, on the Overview."""
    tab.goto(f"{site}/")
    log_in(tab, name)
    tab.wait_for_url(f"{site}/")
    return Operator(tab)
