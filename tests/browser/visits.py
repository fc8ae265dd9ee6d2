"""What a browser does and notices on the page: its requests, its console, its rules."""

from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import urlsplit

from attrs import define, field
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page, Request

from tests.browser.shop import PASSWORD


@define(slots=False)  # Playwright sets attributes for its handlers
class Visit:
    """What happened while a tab was open. The console has violations of the policy, too."""

    origin: str
    elsewhere: list[str] = field(factory=list[str])
    """The addresses of other origins that were requested."""
    errors: list[str] = field(factory=list[str])
    """Messages in the console, and exceptions of scripts."""

    def note_request(self, request: Request) -> None:
        scheme, host, *_ = urlsplit(request.url)
        if scheme != "data" and f"{scheme}://{host}" != self.origin:
            self.elsewhere.append(request.url)

    def note_message(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def note_error(self, error: Exception) -> None:
        self.errors.append(str(error))


@contextmanager
def watched(tab: Page, origin: str) -> Generator[None]:
    """Check that the block causes no request to another origin and no message."""
    visit = Visit(origin)
    tab.on("request", visit.note_request)
    tab.on("console", visit.note_message)
    tab.on("pageerror", visit.note_error)
    yield
    tab.title()  # its answer comes behind all that was noticed before
    noticed = visit.elsewhere + visit.errors
    assert not noticed, noticed


def check_accessible(tab: Page) -> None:
    """Check that axe finds nothing on the page of a tab."""
    found = Axe().run(tab)
    assert found.violations_count == 0, found.generate_report()


def log_in(tab: Page, name: str = "ada") -> None:
    """Fill in the form of the login, and send it."""
    tab.get_by_label("Name").fill(name)
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Log in").click()
