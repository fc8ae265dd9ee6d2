"""The limits of requests are the same on every store, and no value becomes SQL."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import trio

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job
from bgjobs._core.occurrences import KEY_PREFIX
from bgjobs._core.requests import LONGEST_NAME, JobOptions, JobRequest
from bgjobs._core.settlements import Succeed
from bgjobs.errors import (
    NotRunningError,
    NoWorkerForJobError,
    PayloadError,
    UnknownNameError,
)
from bgjobs.stores.port import Store
from bgjobs.stores.types import NewJob, Notice, Owner
from bgjobs.testing.contract.steps import enqueued, listed
from tests.fixtures.databases import Database
from tests.fixtures.stores import migrated
from tests.security.corpus import NAMES, UNSTORABLE

LEASE = timedelta(minutes=1)


@pytest.fixture
def store(database: Database) -> Any:
    with migrated(database.store()) as store:
        yield store


def put(store: Store, *requests: JobRequest) -> list[Job]:
    return list(store.write([NewJob(new_id(), one) for one in requests]).jobs)


def test_hostile_names_are_values(store: Store) -> None:
    """Every method with a name finds only the job of this name."""
    jobs = put(store, *(JobRequest(name, "{}", JobOptions(unique_key=name)) for name in NAMES))
    owner = Owner(new_id(), NAMES[0], NAMES[1])
    store.open_owner(owner, LEASE)
    store.notify(Notice(frozenset(NAMES)))
    for name, job in zip(NAMES, jobs, strict=True):
        assert store.find(job.id) == job
        assert store.find_unique(name, name) == job
        assert enqueued(store, name) == [job]
        assert store.count([name]).waiting == 1
        assert store.next_due([name]) is not None
        [held] = store.reserve(owner.id, [name], 10)
        assert (held.id, held.name, held.unique_key) == (job.id, name, name)
        assert not store.write(settle=[Succeed(held.reservation)]).lost
        assert [one.id for one in listed(store, "succeeded", name=name)] == [job.id]
    assert store.count(NAMES).succeeded == len(NAMES)


def test_hostile_names_from_end_to_end(database: Database) -> None:
    """As names of workers, queues and scheduled jobs, and in payloads, in an application."""
    ran: list[tuple[str, str]] = []
    names = [name for name in NAMES if name.isprintable()]
    workers = [echo_worker(name, ran) for name in names]
    queues = [
        bgjobs.Queue(name, workers=[one], poll_interval=0.05)
        for name, one in zip(names, workers, strict=True)
    ]
    planned = [
        bgjobs.ScheduledJob(
            one, bgjobs.every(hours=1), name=one.name, request=one.request("planned")
        )
        for one in workers[6:]
    ]
    config = bgjobs.Config(store=database.store(), queues=queues[:6], scheduled_jobs=planned)

    async def main() -> None:
        with trio.fail_after(60):
            async with bgjobs.run(config) as bg:
                await bg.enqueue_many([one.request(one.name) for one in workers[:6]])
                await bg.drain()
                assert (await bg.count()).succeeded == 6
                for job in planned:
                    control = bg.scheduled_job(job.name)
                    while (planned_for := await control.occurrence()) is None:
                        await trio.sleep(0.01)  # until its first occurrence is stored
                    assert planned_for.recurrence.name == job.name

    trio.run(main)
    assert sorted(ran) == sorted((name, name) for name in names[:6])


def test_a_job_of_a_worker_that_no_queue_lists_is_left_alone(
    database: Database, store: Store
) -> None:
    """Not even if its name is that of a module, a function or a file."""
    names = ["os.system", "bgjobs._core.workers:worker", "subprocess.run", "/bin/sh", "other"]
    ran: list[tuple[str, str]] = []
    listed, other = echo_worker("listed", ran), echo_worker("other", ran)
    config = bgjobs.Config(
        store=database.store(),
        queues=[bgjobs.Queue("q", workers=[listed])],
        enqueue_only=[other],
    )
    jobs = put(store, *(JobRequest(name, '{"text":"x"}') for name in names))

    async def main() -> None:
        with trio.fail_after(60):
            async with bgjobs.run(config) as bg:
                await bg.enqueue(listed.request("mine"))
                await bg.drain()

    trio.run(main)
    assert ran == [("listed", "mine")]
    assert [store.find(job.id) for job in jobs] == jobs


def echo_worker(name: str, ran: list[tuple[str, str]]) -> bgjobs.Worker[[str], object]:
    @bgjobs.worker(name=name)
    def echo(text: str) -> None:
        ran.append((name, text))

    return echo


@pytest.mark.parametrize("text", UNSTORABLE, ids=ascii)
def test_texts_that_a_database_cannot_store_are_refused_before_a_call(text: str) -> None:
    with pytest.raises(ValueError, match="name: expected"):
        JobRequest(text, "{}")
    with pytest.raises(ValueError, match="unique_key: expected"):
        JobOptions(unique_key=text)
    if text:
        with pytest.raises(ValueError, match="payload: expected") as caught:
            JobRequest("mail", f"hunter2{text}")
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: JobRequest(5, "{}"),  # type: ignore[arg-type]
        lambda: JobRequest("mail", b"{}"),  # type: ignore[arg-type]
        lambda: JobOptions(unique_key=b"x"),  # type: ignore[arg-type]
        lambda: JobOptions(priority=1.5),  # type: ignore[arg-type]
        lambda: JobOptions(priority=True),
        lambda: JobOptions(priority=32_768),
        lambda: JobOptions(priority=-32_768),
        lambda: JobRequest("x" * (LONGEST_NAME + 1), "{}"),
        lambda: JobOptions(unique_key="x" * (200 + len(KEY_PREFIX) + 1)),
    ],
)
def test_a_request_of_wrong_values_cannot_be_made(make: Callable[[], object]) -> None:
    with pytest.raises((ValueError, TypeError), match="expected"):
        make()


def test_the_widest_request_is_kept(store: Store) -> None:
    """Characters of four bytes, which do not compress, at all limits at once."""
    wide = "".join(chr(0x10000 + 7919 * number % 0xF0000) for number in range(400))
    options = JobOptions(unique_key=KEY_PREFIX + wide[200:])
    [job] = put(store, JobRequest(wide[:200], "{}", options))
    assert store.find(job.id) == job


PAYLOADS = [
    '{"text":"a\\u0000b"}',
    '{"text":"a\\ud800b"}',
    '{"text":NaN}',
    '{"text":1e999}',
    '{"text":' + "1" * 5_000 + "}",
    '{"text":' + "[" * 65 + "]" * 65 + "}",
    '{"text":' + "[" * 100_000 + "]" * 100_000 + "}",
    '{"text":{' + ",".join(f'"{n}":0' for n in range(60_000)) + "}}",
    "not JSON",
    "",
    "[]",
    "null",
    '{"text":"a","text":5}',
    '{"other":1}',
]


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload[:20])
def test_a_hostile_row_fails_its_own_job_only(payload: str, database: Database) -> None:
    """A payload that was not written by the library is refused when it is read."""

    @bgjobs.worker
    def write(text: str) -> None:
        pytest.fail("it must not be called")

    queue = bgjobs.Queue("q", workers=[write], max_retries=0)
    config = bgjobs.Config(store=database.store(), queues=[queue])

    async def main() -> bgjobs.FailedJob:
        with trio.fail_after(60):
            async with bgjobs.run(config) as bg:
                await bg.enqueue(JobRequest("write", payload))
                await bg.drain()
                [failed] = await bg.list(bgjobs.JobFilter("failed"))
                return failed

    failed = trio.run(main)
    assert failed.error.startswith("PayloadError: payload of worker 'write': ")
    assert len(failed.error) <= 8_192


def test_a_payload_of_a_hundred_thousand_keys_is_the_same_on_every_store(
    database: Database,
) -> None:
    """The size of the payload bounds the number of its keys."""
    seen: list[int] = []

    @bgjobs.worker
    def count(values: dict[str, int]) -> None:
        seen.append(len(values))

    values = {f"{number:x}": 1 for number in range(100_000)}

    async def main() -> None:
        config = bgjobs.Config(
            store=database.store(), queues=[bgjobs.Queue("q", workers=[count])]
        )
        async with bgjobs.run(config) as bg:
            await bg.enqueue(count.request(values))
            await bg.drain()

    trio.run(main)
    assert seen == [100_000]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_every_error_escapes_names(name: str) -> None:
    """An unknown name may come from anyone."""
    for error in (
        NoWorkerForJobError(name, [name, "mail"]),
        UnknownNameError("queue", name, [name]),
        PayloadError(name, ["arguments: none"]),
        NotRunningError(name),
    ):
        assert str(error).isprintable()
