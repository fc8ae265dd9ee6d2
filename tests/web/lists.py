"""Systems for the pages with lists, on both stores, and what a page shows of them."""

import re
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import bgjobs
from bgjobs import web
from bgjobs._core.activity import LENGTH, MinuteTotals, ProcessReport
from bgjobs._core.jobs import Owner
from bgjobs.errors import StoreError
from tests.fixtures.databases import Database
from tests.fixtures.faulty_store import FaultyStore
from tests.fixtures.stores import operator_of
from tests.web.browser import Answer, Browser

HOSTILE = "<script>alert(1)</script>\u202e\"'"
LEASE = timedelta(minutes=5)


@contextmanager
def prepared(database: Database) -> Generator[bgjobs.Store]:
    """Open a store of the database, with all tables, to write what the pages then show."""
    store = database.store()
    store.open()
    try:
        store.migrate()
        yield store
    finally:
        store.close()


@asynccontextmanager
async def browsing(config: bgjobs.Config) -> AsyncGenerator[Browser]:
    """Open the page of a configuration for Ada, who may read."""
    page = web.app(config, auth=lambda _: web.User("ada"))
    async with page.opened():
        yield Browser(page)


async def shown(config: bgjobs.Config, target: str) -> Answer:
    """Return a page of a configuration, which has to be there and to contain no script."""
    async with browsing(config) as browser:
        answer = await browser.get(target)
    assert answer.status == 200
    assert "<script>" not in answer.text
    assert "\u202e" not in answer.text
    return answer


def rows(answer: Answer, table: int = 0) -> Sequence[Sequence[str]]:
    """Return the texts of the cells of a table of a page, without its head."""
    body = re.findall(r"<tbody>(.*?)</tbody>", answer.text, re.DOTALL)[table]
    return [
        [text_of(cell) for cell in re.findall(r"<t[hd]\b[^>]*>(.*?)</t[hd]>", row, re.DOTALL)]
        for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    ]


def text_of(markup: str) -> str:
    """Return what a reader sees of markup, without pictures."""
    without = re.sub(r"<svg.*?</svg>|<br>", " ", markup, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", "", without)).split())


def open_owner(store: bgjobs.Store, name: str, node: str = "node") -> UUID:
    """Return the owner of a start of a queue with a live lease."""
    owner = Owner(uuid4(), name, node)
    store.open_owner(owner, LEASE)
    return owner.id


def record(
    store: bgjobs.Store, *ends: tuple[str, int, int, int, int], ago: timedelta = LEASE
) -> None:
    """Store how many runs of workers succeeded, failed, were retried and cancelled."""
    at = (datetime.now(UTC) - ago).replace(second=0, microsecond=0)
    empty = [0] * (LENGTH - 4)
    totals = [MinuteTotals(at, name, uuid4(), [*counts, *empty]) for name, *counts in ends]
    operator_of(store).record_activity(totals)


def report(store: bgjobs.Store, node: str, *, version: str = "1.0", ago: timedelta) -> None:
    """Store what a process reported a time ago."""
    process = ProcessReport(uuid4(), node, version, "3.11", timedelta(milliseconds=12))
    operator_of(store).record_activity([], process, now=datetime.now(UTC) - ago)


def refusing(store: bgjobs.Store, *verbs: str) -> Any:
    """Return a store whose operations refuse some calls, as without a right to them."""
    real: Any = store
    operations = FaultyStore(real.operations)
    for verb in verbs:
        operations.faults[verb] = [StoreError("permission denied for table secret")] * 9
    wrapped: Any = FaultyStore(store)
    wrapped.operations = operations
    return wrapped
