"""Take the pictures of the documentation: ``python -m tests.browser.pictures``."""

import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from socket import gethostname
from tempfile import TemporaryDirectory
from typing import Literal

from attrs import frozen
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import ROOT, URL, launched
from tests.cli.terminal import BGJOBS, terminal

EXAMPLE = Path(__file__).with_name("example.py")
FOLDER = ROOT / "docs" / "operate" / "pictures"
WIDTH = 1280
DEADLINE_MS = 30_000
"""A generous time until the example runs its jobs."""
_RENAME = """names => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    for (const [name, shown] of names) {
      texts.currentNode.data = texts.currentNode.data.replaceAll(name, shown);
    }
  }
}"""


@frozen
class Picture:
    """A part of a page: from its top, so many pixels high."""

    name: str
    path: str
    height: int
    colours: Literal["light", "dark"] = "light"
    opens: bool = False
    """Whether the first job of a list is shown, with its traceback."""


PICTURES = (
    Picture("overview", "/", 1150),
    Picture("overview-dark", "/", 1150, "dark"),
    Picture("job", "/jobs?state=failed&name=sync_stock", 1450, opens=True),
    Picture("jobs", "/jobs?state=failed", 760),
    Picture("schedules", "/schedules", 470),
    Picture("workers", "/workers", 560),
)


def take_all() -> None:
    """Run the example, and write a picture of each of these pages."""
    FOLDER.mkdir(exist_ok=True)
    with TemporaryDirectory() as name, _serving(Path(name)) as link, launched() as browser:
        with browser.new_context() as context:
            _log_in(context, link)
            cookies = context.storage_state()
        names = [(name, "/srv/shop"), (gethostname(), "shop-1")]
        for one in PICTURES:
            with browser.new_context(
                storage_state=cookies,
                color_scheme=one.colours,
                viewport={"width": WIDTH, "height": one.height},
                timezone_id="UTC",
                locale="en-GB",
            ) as context:
                tab = context.new_page()
                _open(tab, link, one)
                tab.evaluate(_RENAME, names)
                tab.screenshot(path=FOLDER / f"{one.name}.png")


@contextmanager
def _serving(folder: Path) -> Generator[str]:
    """Run the example and its page, and yield the link that opens it."""
    shutil.copy(EXAMPLE, folder)
    settings = {"PYTHONPATH": str(ROOT), "LOGNAME": "ada"}
    environment = {**os.environ, **settings}
    subprocess.run([sys.executable, "example.py"], cwd=folder, env=environment, check=True)
    command = (*BGJOBS, "--app", "example:config")
    with (
        terminal(*command, "run", cwd=folder, env=settings),
        terminal(*command, "web", "--port", "0", cwd=folder, env=settings) as page,
    ):
        found = URL.search(page.until("; Ctrl-C stops it"))
        assert found is not None
        yield found[0]


def _log_in(context: BrowserContext, link: str) -> None:
    """Open the link, and wait until the example runs what it can run."""
    tab = context.new_page()
    tab.goto(link)
    expect(tab.locator(".counts .running dd")).to_have_text("4", timeout=DEADLINE_MS)


def _open(tab: Page, link: str, picture: Picture) -> None:
    start, _, _ = link.partition("/?")
    tab.goto(f"{start}{picture.path}")
    if picture.opens:
        tab.locator("tbody a").first.click()
        tab.locator(".trace > summary").first.click()


if __name__ == "__main__":
    take_all()
