"""Notices between this version and processes of the previous one, and from other programs."""

import select
from typing import Any

import anyio
import psycopg
import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs.events import QueueStarted, StoreFailed
from bgjobs.stores.postgres import PostgresStore
from bgjobs.stores.postgres.statements import channel_of
from bgjobs.stores.types import ANY_CHANGE, NewJob, Notice
from bgjobs.testing import Recorder
from tests.fixtures.postgres import schema_of

LAST = "last"


def previous_meaning(payloads: set[str], workers: set[str]) -> tuple[set[str], bool]:
    """Return which workers and whether the commands a process of the previous version wakes."""
    names = payloads - {""}
    return names & workers, "\x1borders" in names


def test_a_listener_of_the_previous_version_understands_notices(
    store: PostgresStore, postgres_dsn: str
) -> None:
    workers = {"mail", "ünï " + "x" * 190, LAST}
    with psycopg.connect(postgres_dsn, autocommit=True) as older:
        older.execute(f'listen "{channel_of(schema_of(store))}"'.encode())
        for notice, expected in (
            (Notice(frozenset(workers)), (workers, False)),
            (Notice(commands=True), (set[str](), True)),
            (Notice(frozenset({"mail", "unknown"}), commands=True), ({"mail"}, True)),
            (Notice(), (set[str](), False)),
            (Notice(workers=None), (set[str](), False)),  # it polls
            (ANY_CHANGE, (set[str](), True)),
        ):
            store.notify(notice)
            sent = {one.payload for one in older.notifies(timeout=30, stop_after=1)}
            sent |= {one.payload for one in older.notifies(timeout=0)}
            assert previous_meaning(sent, workers) == expected


def test_notices_of_the_previous_version_are_understood(
    store: PostgresStore, postgres_dsn: str
) -> None:
    watcher = store.watch()
    assert watcher is not None
    with psycopg.connect(postgres_dsn, autocommit=True) as older:
        for payloads, expected in (
            (["mail", "ünï"], Notice(frozenset({"mail", "ünï"}))),
            (["\x1borders"], Notice(commands=True)),
            (["mail", "\x1borders"], Notice(frozenset({"mail"}), commands=True)),
            ([""], Notice()),
        ):
            send(older, store, payloads)
            assert select.select([watcher.fileno()], [], [], 30)[0]
            assert watcher.poll() == expected
    watcher.close()


@pytest.mark.trio
async def test_payloads_of_other_programs_harm_nothing(
    store: PostgresStore, postgres_dsn: str
) -> None:
    ran, recorder = list[int](), Recorder()

    @bgjobs.worker
    async def work(number: int) -> None:
        ran.append(number)

    config = bgjobs.Config(
        store=PostgresStore(postgres_dsn, schema=schema_of(store)),
        queues=[bgjobs.Queue("all", workers=[work], poll_interval=3600.0)],
        listeners=[recorder],
    )
    strange = ["", "\x1b", "\x1borders", "\x1bany", "\x1borders\n", "\x07\r\n", "x" * 7_999]
    with anyio.fail_after(60), psycopg.connect(postgres_dsn, autocommit=True) as other:
        async with bgjobs.run(config) as bg:
            await recorder.wait_for(QueueStarted)
            send(other, store, strange)
            await bg.wait_for(await bg.enqueue(work.request(1)))
            while ran[-1] != 2:  # it still receives notices; the first may precede LISTEN
                store.write([NewJob(new_id(), work.request(2))])
                send(other, store, [*strange, "work"])
                await anyio.sleep(0.01)
            assert not bg.queue("all").paused
    assert not recorder.of(StoreFailed)


def send(by: psycopg.Connection[Any], store: PostgresStore, payloads: list[str]) -> None:
    """Send payloads as a program does that knows only the channel."""
    by.execute(
        "select pg_notify(%s, one) from unnest(%s::text[]) as one",
        (channel_of(schema_of(store)), payloads),
    )
