"""Chromium and the server of the page; ``nox -s browser`` runs these tests."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.operators import Operator, logged_in
from tests.browser.visits import log_in, watched
from tests.cli.terminal import BGJOBS, terminal

CHROMIUM = "/usr/bin/chromium"
SHOP = Path(__file__).with_name("shop.py")
ROOT = Path(__file__).parents[2]
URL = re.compile(r"http://127\.0\.0\.1:\d+/\S*")
"""The address that `bgjobs web` prints."""

STATES_OF_JOBS = ("succeeded", "failed", "delayed", "unreadable")
"""The states of which there is a job."""


@contextmanager
def launched() -> Generator[Browser]:
    """Run the browser of this machine during the block."""
    with sync_playwright() as playwright:
        # Chromium refuses to start its sandbox as root.
        has_sandbox = os.geteuid() != 0
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, chromium_sandbox=has_sandbox
        )
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def chromium() -> Generator[Browser]:
    """The browser of this machine."""
    with launched() as browser:
        yield browser


def run_jobs(folder: Path, env: Mapping[str, str]) -> None:
    """Run the jobs of the application in another process, to their end."""
    settings = {**os.environ, "PYTHONPATH": str(ROOT), **env}
    subprocess.run([sys.executable, "shop.py"], cwd=folder, env=settings, check=True)


def enqueue(folder: Path, worker: str, *options: str) -> None:
    """Enqueue a job of the application on the command line."""
    command = (*BGJOBS, "--app", "shop:config", "jobs", "enqueue", worker, *options)
    settings = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=folder, env=settings, check=True, capture_output=True)


@contextmanager
def working(folder: Path) -> Generator[None]:
    """Run the queues and the scheduled jobs of the application during the block."""
    command = (*BGJOBS, "--app", "shop:config", "run")
    with terminal(*command, cwd=folder, env={"PYTHONPATH": str(ROOT)}) as session:
        yield
        session.signal(signal.SIGTERM)
        code, rest = session.end()
    assert code == 0, rest


@contextmanager
def serving(folder: Path, env: Mapping[str, str], *options: str) -> Generator[str]:
    """Run jobs, serve the page until the end of the block, and yield its address."""
    shutil.copy(SHOP, folder)
    run_jobs(folder, env)
    command = (*BGJOBS, "--app", "shop:config", "web", "--port", "0", *options)
    with terminal(*command, cwd=folder, env={"PYTHONPATH": str(ROOT), **env}) as session:
        found = URL.search(session.until("; Ctrl-C stops it"))
        assert found is not None
        yield found[0]
        session.signal(signal.SIGTERM)
        code, rest = session.end()
    assert (code, rest.strip()) == (0, "")


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The address of a page with a login, over SQLite and on Trio, without the last slash."""
    folder = tmp_path_factory.mktemp("site")
    with serving(folder, {}, "--auth", "shop:users") as url:
        _make_unreadable(folder / "shop.db")
        yield url.rstrip("/")


def _make_unreadable(database: Path) -> None:
    """Change one of the delayed jobs to what no version of bgjobs writes."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "update bgjobs_jobs set metadata = '[1]'"
            " where id = (select id from bgjobs_jobs where name = 'greet' limit 1)"
        )


@pytest.fixture(scope="package")
def session_of_ada(
    chromium: Browser, site: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The cookies of a user who is logged in."""
    file = tmp_path_factory.mktemp("session") / "state.json"
    with chromium.new_context() as context:
        tab = context.new_page()
        tab.goto(f"{site}/")
        log_in(tab)
        tab.wait_for_url(f"{site}/")
        context.storage_state(path=file)
    return file


@pytest.fixture(scope="package")
def pages_of_jobs(chromium: Browser, site: str, session_of_ada: Path) -> Mapping[str, str]:
    """The path of a job of each state, as the list of these jobs links to it."""
    found: dict[str, str] = {}
    with chromium.new_context(storage_state=session_of_ada) as context:
        tab = context.new_page()
        for state in STATES_OF_JOBS:
            tab.goto(f"{site}/jobs?state={state}")
            found[state] = tab.locator("tbody a").first.get_attribute("href") or ""
    return found


@pytest.fixture(scope="package")
def page_of_action(chromium: Browser, site: str, session_of_ada: Path) -> str:
    """The path of an action: a delayed job gets its priority anew."""
    with chromium.new_context(storage_state=session_of_ada) as context:
        ada = Operator(context.new_page())
        ada.tab.goto(f"{site}/jobs?state=delayed&name=greet")
        ada.rows.first.get_by_role("link").click()
        ada.click("link", "Priority")
        ada.click("button", "Change the priority of 1 job")
        ada.says("Done: 1 job changed.")
        return ada.tab.url.removeprefix(site)


@pytest.fixture
def own_site(tmp_path: Path) -> Generator[str]:
    """The address of a page that only one test uses, over SQLite in its folder."""
    with serving(tmp_path, {}, "--auth", "shop:users") as url:
        yield url.rstrip("/")


@pytest.fixture
def ada(chromium: Browser, own_site: str) -> Generator[Operator]:
    """A user who may act, on the Overview."""
    with chromium.new_context() as context, watched(tab := context.new_page(), own_site):
        yield logged_in(tab, own_site, "ada")


Opened = Callable[..., Page]


@pytest.fixture
def opened(chromium: Browser, session_of_ada: Path) -> Generator[Opened]:
    """Open a tab of a user who is logged in, with settings of the browser."""
    contexts = list[BrowserContext]()

    def open_tab(**settings: object) -> Page:
        settings = {"storage_state": session_of_ada, **settings}
        contexts.append(chromium.new_context(**settings))  # type: ignore[arg-type] # of any names
        return contexts[-1].new_page()

    yield open_tab
    for one in contexts:
        one.close()
