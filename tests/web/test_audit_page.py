"""The page of what operators did, on both stores."""

import re
from datetime import timedelta
from html import unescape

import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs.web.pages import audit as page_module
from tests.fixtures.databases import Database, SQLiteFile
from tests.fixtures.stores import operator_of
from tests.web.lists import HOSTILE, browsing, prepared, rows, shown

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def send(to: str) -> None: ...


def config_of(store: bgjobs.Store) -> bgjobs.Config:
    return bgjobs.Config(store=store, queues=[bgjobs.Queue("mail", workers=[send])])


async def test_what_operators_did_is_listed_newest_first(database: Database) -> None:
    with prepared(database):
        config = config_of(database.store())
        async with bgjobs.connect(config) as client:
            job = await client.enqueue(send.request("a"))
            await client.admin.pause_queue("mail", by="ada")
            await client.admin.cancel(job.id, reason="no")
    answer = await shown(config_of(database.store()), "/audit")
    cancelled, paused = rows(answer)
    assert cancelled[1:] == ["-", "cancel", str(job.id), "1"]
    assert paused[1:] == ["ada", "pause_queue", "mail", "1"]
    assert "Entries are kept for 90 d." in re.sub(r"<[^>]+>", "", answer.text)
    of_ada = await shown(config_of(database.store()), "/audit?author=ada")
    assert [row[2] for row in rows(of_ada)] == ["pause_queue"]


async def test_entries_are_shown_in_pages(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "LIMIT", 3)
    with prepared(database) as store:
        for number in range(7):
            operator_of(store).begin_audit(new_id(), "prune", str(number), author="a b")
    target, seen = "/audit?author=a+b", list[str]()
    async with browsing(config_of(database.store())) as browser:
        while target:
            answer = await browser.get(target)
            seen += [row[3] for row in rows(answer)]
            found = re.search(r'<a href="([^"]*)" rel="next">', answer.text)
            target = unescape(found[1]) if found else ""
    assert seen == ["6", "5", "4", "3", "2", "1", "0"]


async def test_hostile_entries_are_shown_as_text(database: Database) -> None:
    with prepared(database) as store:
        operator_of(store).begin_audit(new_id(), HOSTILE, HOSTILE, author=HOSTILE)
    answer = await shown(config_of(database.store()), "/audit")
    assert answer.text.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 3
    assert rows(answer)[0][4] == "did not end"


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("/audit?position=x", "text: expected that of a cursor, found another one"),
        ("/audit?author=a%00b", "audit: author: "),
    ],
)
async def test_a_wrong_query_is_told(sqlite_file: SQLiteFile, target: str, text: str) -> None:
    with prepared(sqlite_file):
        async with browsing(config_of(sqlite_file.store())) as browser:
            answer = await browser.get(target)
    assert answer.status == 400
    assert text in answer.text


async def test_an_empty_audit_says_so(sqlite_file: SQLiteFile) -> None:
    with prepared(sqlite_file):
        config = config_of(sqlite_file.store())
        answer = await shown(config, "/audit?author=ida")
        kept = bgjobs.Retention(audit=None, succeeded=timedelta(days=1))
        forever = bgjobs.Config(store=sqlite_file.store(), queues=config.queues, retention=kept)
        without = await shown(forever, "/audit")
    assert "No entry is stored of this author." in answer.text
    assert "No entry is stored." in without.text
    assert "Entries are kept" not in without.text
