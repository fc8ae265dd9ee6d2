"""Methods of `BgJobs` check their arguments before anything is written."""

import math
from datetime import timedelta
from typing import Any, get_args
from unittest.mock import Mock

import pytest

import bgjobs
from bgjobs._core.ids import new_id
from bgjobs._core.requests import JobRequest
from bgjobs.errors import ConfigError, UnknownNameError
from bgjobs.testing import check_repeatable, run_one
from tests.fixtures.databases import Database
from tests.fixtures.listings import unreserved_in
from tests.runtime.conftest import Harness

pytestmark = pytest.mark.anyio


@bgjobs.worker
async def greet(name: str = "Ada") -> None: ...


def plain() -> None: ...


class Client:
    name = "a client of something else"

    def request(self) -> None: ...


def bare(**values: object) -> JobRequest:
    """Return a request that was created without its checks, as by a faulty copy."""
    made = object.__new__(JobRequest)
    for name, value in values.items():
        object.__setattr__(made, name, value)
    return made


def mock_of_a_request() -> Mock:
    mock = Mock(spec=JobRequest)
    mock.name = "greet"
    return mock


LACKS = (
    "expected a JobRequest, found one that lacks some of its attributes: make it by a worker's "
    "request(...)"
)


MEANT = "; did you mean greet.request(...)?"


WRONG: list[tuple[Any, str]] = [
    (greet, f"expected a JobRequest, found Worker 'greet'{MEANT}"),
    (plain, "expected a JobRequest, found function 'plain'; is @bgjobs.worker missing on it?"),
    ("greet", "expected a JobRequest, found str"),
    (None, "expected a JobRequest, found None"),
    (JobRequest, "expected a JobRequest, found the class JobRequest"),
    (Client(), "expected a JobRequest, found Client"),
    (mock_of_a_request(), "expected a JobRequest, found Mock"),
    (bare(), LACKS),
    (bare(name="greet"), LACKS),
]


async def test_an_invalid_request_is_refused_in_its_caller_alone(app: Harness) -> None:
    async with bgjobs.run(app.config(greet)) as bg:
        for wrong, text in WRONG:
            with pytest.raises(TypeError) as caught:
                await bg.enqueue(wrong)
            assert str(caught.value) == text
            with pytest.raises(
                TypeError, match=r"^enqueue_many: \[1\]: expected a JobRequest, found "
            ):
                await bg.enqueue_many([greet.request(), wrong])
        job = await bg.enqueue(greet.request())
        assert (await bg.wait_for(job)).id == job.id
        assert [one.id for one in await bg.list(bgjobs.JobFilter("succeeded"))] == [job.id]


async def test_a_coroutine_of_the_worker_is_refused_and_closed(sqlite_app: Harness) -> None:
    async with bgjobs.run(sqlite_app.config(greet)) as bg:
        wrong: Any = greet()
        with pytest.raises(TypeError) as caught:
            await bg.enqueue(wrong)
        assert (
            str(caught.value) == f"expected a JobRequest, found a coroutine of 'greet'{MEANT}"
        )
        assert wrong.cr_frame is None


NOT_MANY: list[tuple[Any, str]] = [
    (greet, "enqueue_many: expected several JobRequests, found Worker 'greet'"),
    (
        greet.request(),
        "enqueue_many: expected several JobRequests, found one; put it into a list",
    ),
    ("", "enqueue_many: expected several JobRequests, found str"),
]


async def test_enqueue_many_refuses_a_single_request(sqlite_app: Harness) -> None:
    async with bgjobs.run(sqlite_app.config(greet)) as bg:
        for wrong, text in NOT_MANY:
            with pytest.raises(TypeError) as caught:
                await bg.enqueue_many(wrong)
            assert str(caught.value) == text


def test_enqueue_in_checks_requests_before_it_writes(database: Database) -> None:
    store = database.store()
    store.open()
    store.migrate()
    connection = database.connect()
    wrong: Any = [greet.request(), greet]
    try:
        with pytest.raises(TypeError) as caught:
            store.enqueue_in(connection, wrong)
        assert str(caught.value) == (
            f"enqueue_in: [1]: expected a JobRequest, found Worker 'greet'{MEANT}"
        )
        connection.commit()
        assert list(unreserved_in(store)) == []
    finally:
        connection.close()
        store.close()


async def test_the_testing_kit_checks_requests() -> None:
    wrong: Any = greet
    with pytest.raises(
        TypeError, match=r"^request: expected a JobRequest, found Worker 'greet'"
    ):
        await run_one(greet, wrong)
    with pytest.raises(
        TypeError, match=r"^request: expected a JobRequest, found Worker 'greet'"
    ):
        await check_repeatable(greet, wrong, effects=int, reset=int)


def test_the_request_of_a_scheduled_job_is_checked() -> None:
    wrong: Any = greet
    with pytest.raises(ConfigError, match=r"request: expected JobRequest, found Worker"):
        bgjobs.ScheduledJob(greet, bgjobs.schedules.every(hours=1), request=wrong)


def test_the_options_of_a_request_are_checked() -> None:
    wrong: Any = None
    with pytest.raises(TypeError, match=r"^options: expected JobOptions, found NoneType$"):
        JobRequest("greet", "{}", options=wrong)


async def _events(bg: bgjobs.BgJobs, buffer: Any) -> None:
    bg.events(buffer=buffer)


async def _stop(bg: bgjobs.BgJobs, grace: Any) -> None:
    bg.stop(grace=grace)


async def _look_up(bg: bgjobs.BgJobs, what: str, name: Any) -> None:
    getattr(bg, what)(name)


ID = new_id()


HUGE = 10**400


SHOWN = "1" + 39 * "0" + "..."


ANY_GREET: Any = greet
ANY_TEXT: Any = "x"
ANY_NUMBER: Any = 10**5000
WRONG_CALLS: list[tuple[Any, type[Exception], str]] = [
    (
        lambda bg: bg.wait_for("x"),
        TypeError,
        "wait_for: expected a Job or the UUID of one, found str",
    ),
    (lambda bg: _stop(bg, "x"), TypeError, "stop: grace: expected seconds, found str"),
    (lambda bg: _stop(bg, -1), ValueError, "stop: grace: expected seconds from 0, found -1"),
    (
        lambda bg: _stop(bg, HUGE),
        ValueError,
        f"stop: grace: expected at most 3,153,600,000 seconds, found {SHOWN}",
    ),
    (
        lambda bg: _stop(bg, math.nan),
        ValueError,
        "stop: grace: expected seconds from 0, found nan",
    ),
    (
        lambda bg: _events(bg, HUGE),
        ValueError,
        f"events: buffer: expected at most 2,147,483,647, found {SHOWN}",
    ),
    (
        lambda bg: bg.drain(with_delayed="x"),
        TypeError,
        "drain: with_delayed: expected True or False, found str",
    ),
    (
        lambda bg: bg.admin.prune(succeeded_for=timedelta.max),
        ValueError,
        "prune: succeeded_for: expected at most 36,500 days, found 999,999,999 days",
    ),
    (
        lambda bg: bg.admin.import_failed([5]),
        TypeError,
        "import_failed: line 1: expected str, found int",
    ),
    (
        lambda bg: bg.admin.import_failed(b"x"),
        TypeError,
        "import_failed: expected lines, found one bytes; split it into lines",
    ),
    (lambda bg: _events(bg, 0), ValueError, "events: buffer: expected 1 or more, found 0"),
    (
        lambda bg: _look_up(bg, "queue", greet),
        TypeError,
        "queue: expected str, found Worker 'greet'",
    ),
    (
        lambda bg: bg.add_scheduled_job(greet),
        TypeError,
        "add_scheduled_job: expected ScheduledJob, found Worker 'greet'",
    ),
    (
        lambda bg: bg.count("greet"),
        TypeError,
        "count: names: expected a collection of names, found str",
    ),
    (
        lambda bg: bg.list(bgjobs.JobFilter("waiting", name=ANY_GREET)),
        TypeError,
        "name: expected str or None, found Worker 'greet'",
    ),
    (
        lambda bg: bg.list(greet),
        TypeError,
        "list: wanted: expected a JobFilter, found Worker 'greet'",
    ),
    (
        lambda bg: bg.list(bgjobs.JobFilter("failed"), 5),
        TypeError,
        "list: page: expected Page, found int",
    ),
    (
        lambda bg: bg.list(bgjobs.JobFilter("running", owner=ANY_TEXT)),
        TypeError,
        "owner: expected UUID, found str",
    ),
    (lambda bg: bg.admin.cancel(ID, reason=5), TypeError, "reason: expected str, found int"),
    (
        lambda bg: bg.list(bgjobs.JobFilter("waiting", name="gre\0et")),
        ValueError,
        "name: expected text without NUL and lone surrogates, found one",
    ),
    (
        lambda bg: bg.list(bgjobs.JobFilter(ANY_NUMBER)),
        ValueError,
        f"state: expected one of {get_args(bgjobs.State)}, found a huge int",
    ),
    (
        lambda bg: bg.admin.prune(progress=greet),
        TypeError,
        "progress: expected a plain function, found an async one",
    ),
    (
        lambda bg: bg.admin.prune(progress=bgjobs.Config),
        TypeError,
        "progress: expected a plain function, found the class Config",
    ),
]


async def test_a_wrong_argument_is_named_in_the_error(sqlite_app: Harness) -> None:
    async with bgjobs.run(sqlite_app.config(greet)) as bg:
        for call, kind, text in WRONG_CALLS:
            with pytest.raises(kind) as caught:
                await call(bg)
            assert str(caught.value) == text


async def test_an_unknown_queue_is_refused_with_the_known_names(sqlite_app: Harness) -> None:
    async with bgjobs.run(sqlite_app.config(greet)) as bg:
        assert bg.queue("default").name == "default"
        with pytest.raises(UnknownNameError) as caught:
            bg.queue("defualt")
    assert str(caught.value) == (
        "no queue 'defualt'; known queues: 'default', did you mean 'default'?"
    )
