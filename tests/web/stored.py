"""Pages over rows that a test has written, on either database."""

import html
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import attrs

import bgjobs
from bgjobs import web
from bgjobs._core.ids import new_id
from bgjobs._core.settlements import Fail
from bgjobs.stores.types import NewJob, Owner
from bgjobs.web.auth.users import User
from tests.fixtures.databases import Database
from tests.fixtures.hostile_rows import HostileRows
from tests.fixtures.stores import migrated
from tests.web.browser import Answer, Browser
from tests.web.clocks import JumpingClock

READER = web.User("grace")
ADA = web.User("ada", may_see_arguments=True)
_TAG = re.compile(r"<[^>]*>")
_END = re.compile(r"</(?:d[dt]|t[dhr]|h[1-6]|li|p|pre)>")


@attrs.frozen
class Card:
    holder: str
    number: str = attrs.field(repr=False)


@bgjobs.worker
async def work(n: int) -> None: ...


@bgjobs.worker(keep_result=True)
async def pay(card: Card) -> Card:
    return card


def rows_of(database: Database) -> HostileRows:
    """Return a writer of rows for a database that gets the schema."""
    with migrated(database.store()):
        return HostileRows(database)


def fail(database: Database, failures: Sequence[tuple[bgjobs.JobRequest, str]]) -> None:
    """Store jobs that have failed as a queue does it, so that a search finds them."""
    with migrated(database.store()) as store:
        store.write([NewJob(new_id(), request) for request, _ in failures])
        owner = Owner(new_id(), "mail", "host:1")
        store.open_owner(owner, timedelta(hours=1))
        held = store.reserve(owner.id, ["work"], len(failures))
        counted: dict[str, Any] = {"attempts": 0, "crashes": 0, "interruptions": 0}
        store.write(
            settle=[
                Fail(reservation=job.reservation, error=error, **counted)
                for job, (_, error) in zip(held, failures, strict=True)
            ]
        )


def config_of(store: Any, **settings: Any) -> bgjobs.Config:
    mail = bgjobs.Queue("mail", workers=[work])
    return bgjobs.Config(
        store=store, queues=[mail], enqueue_only=[pay], clock=JumpingClock(), **settings
    )


@asynccontextmanager
async def browser_of(store: Any, user: User = ADA, **settings: Any) -> AsyncGenerator[Browser]:
    page = web.app(config_of(store, **settings), auth=lambda _: user)
    async with page.opened():
        yield Browser(page)


def ids_in(answer: Answer) -> list[UUID]:
    """Return the jobs that a list links to."""
    assert answer.status == 200, answer.text
    return [UUID(one) for one in re.findall(r'<a href="/jobs/([0-9a-f-]{36})"', answer.text)]


def seen(answer: Answer) -> str:
    """Return what a reader sees of a page."""
    return " ".join(html.unescape(_TAG.sub("", _END.sub(" ", answer.text))).split())


def next_page(answer: Answer) -> str | None:
    found = re.search(r'<a href="([^"]*)" rel="next">', answer.text)
    return None if found is None else html.unescape(found[1])
