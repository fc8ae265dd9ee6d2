"""The page of the workers, on both stores."""

from contextlib import closing
from datetime import datetime, timedelta

import pytest

import bgjobs
from bgjobs._core.activity import activity_of
from bgjobs.web.pages.workers import quantile_text
from tests.fixtures.databases import Database, SQLiteFile
from tests.web.browser import Answer, Browser
from tests.web.lists import (
    HOSTILE,
    browsing,
    open_owner,
    prepared,
    record,
    refusing,
    rows,
    shown,
    text_of,
)

pytestmark = pytest.mark.anyio
HOURS = timedelta(hours=1)
AT = datetime.fromisoformat("2026-03-29T00:00:00+00:00")


@bgjobs.worker(
    timeout=90,
    global_limit=5,
    rate_limit=bgjobs.RateLimit(100, 60),
    keep_result=True,
    max_retries=7,
)
async def send(to: str) -> int:
    return 1


@send.on_failure(cancelled=True)
def undo(_connection: object, _job: object) -> None: ...


@bgjobs.worker
async def clean() -> None: ...


def config_of(store: bgjobs.Store) -> bgjobs.Config:
    queues = [
        bgjobs.Queue("mail", workers=[send, clean]),
        bgjobs.Queue("night", workers=[clean], max_retries=0),
    ]
    return bgjobs.Config(store=store, queues=queues)


async def test_a_worker_has_its_runs_and_settings(database: Database) -> None:
    config = config_of(database.store())
    with prepared(database) as store:
        record(store, ("send", 5, 1, 2, 3))
        record(store, ("send", 10, 20, 30, 40), ago=5 * HOURS)
        owner = open_owner(store, "mail")
        async with bgjobs.connect(config) as client:
            await client.enqueue_many([send.request("a") for _ in range(3)])
        assert len(store.reserve(owner, ["send"], 2)) == 2
    answer = await shown(config, "/workers")
    first, second = rows(answer)

    assert first == [
        *("send", "", "-", "-", "-"),
        *("5", "15", "1", "21", "2", "32", "3", "43"),
        *("7", "1 min 30 s", "2 of 5 running, 100 starts in 1 min", "kept"),
        "failed and cancelled",
    ]
    assert second == ["clean", "-", *"---", *"00000000", "0 or 3", *"----"]
    assert answer.text.count('<svg class="sparkline"') == 1
    assert "send: runs by the hour: last " in answer.text
    assert "highest 100<" in answer.text


async def test_a_worker_that_ran_has_its_durations_and_its_own_overview(
    database: Database,
) -> None:
    config = config_of(database.store())
    async with bgjobs.run(config) as bg:
        await bg.enqueue_many([send.request("a"), send.request("b")])
        await bg.drain()
    answer = await shown(config, "/workers")
    assert "<figcaption>send: durations in 24 hours</figcaption>" in answer.text
    assert answer.text.count("<summary>Durations</summary>") == 1
    assert '<a href="/?worker=send">' in answer.text


async def test_workers_that_only_ran_are_listed(database: Database) -> None:
    with prepared(database) as store:
        record(store, (HOSTILE, 1, 0, 0, 0), ("old", 2, 0, 0, 0))
    answer = await shown(config_of(database.store()), "/workers")
    found = {row[0]: row[5:13] for row in rows(answer)}
    assert [*found][:2] == ["send", "clean"]
    assert found["old not in this configuration"] == ["2", "2", *"000000"]
    assert len(found) == 4
    assert "&lt;script&gt;alert(1)" in answer.text


async def test_a_name_that_no_database_can_look_up_is_left_out(sqlite_file: SQLiteFile) -> None:
    with prepared(sqlite_file) as store:
        record(store, ("odd", 1, 0, 0, 0))
    with closing(sqlite_file.connect()) as connection, connection:
        connection.execute("update bgjobs_activity set name = 'a' || char(0) || 'b'")
    found = rows(await shown(config_of(sqlite_file.store()), "/workers"))
    assert [row[0] for row in found] == ["send", "clean"]


async def test_thousands_of_workers_are_shown_in_portions(database: Database) -> None:
    with prepared(database) as store:
        record(store, *((f"w{number:04}", number, 0, 0, 0) for number in range(3_000)))
    async with browsing(config_of(database.store())) as browser:
        first, last = await _portions(browser)
    assert len(rows(first)) == 100
    assert [row[0].split()[0] for row in rows(last)] == ["w2998", "w2999"]
    assert "3,001 to 3,002 of 3,002." in text_of(last.text)
    assert len(first.text) < 400_000


async def _portions(browser: Browser) -> list[Answer]:
    return [await browser.get(f"/workers?page={number}") for number in (1, 31)]


async def test_without_the_right_to_activity_the_settings_are_shown(
    database: Database,
) -> None:
    with prepared(database):
        pass
    answer = await shown(config_of(refusing(database.store(), "activity")), "/workers")
    first, second = rows(answer)
    assert first[2:14] == [*"-----------", "7"]
    assert second[0] == "clean"
    assert "What queues have done cannot be read" in answer.text


def test_a_quantile_above_all_bounds_is_not_exact() -> None:
    above = activity_of("send", AT, [1, 0, 0, 0, *[0] * 16, 1])
    below = activity_of("send", AT, [1, 0, 0, 0, *[0] * 15, 1, 0])
    assert [text_of(str(quantile_text(one, 0.5))) for one in (above, below, None)] == [
        "1 h or more",
        "37 min 30 s",
        "-",
    ]
