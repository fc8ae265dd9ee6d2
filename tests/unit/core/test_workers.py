import copy
import functools
import inspect
import pickle
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs.exceptions import FrozenInstanceError

from bgjobs._core.context import JobContext
from bgjobs._core.ids import new_ids
from bgjobs._core.jobs import Job
from bgjobs._core.requests import JobRequest
from bgjobs._core.workers import worker
from bgjobs.errors import PayloadError, WorkerDefinitionError


def a_job() -> Job:
    now = datetime.now(UTC)
    return Job(id=new_ids(1)[0], name="tell", payload="{}", created_at=now, available_at=now)


@worker
async def send(to: str, copies: int = 1, *, urgent: bool = False) -> str:
    """Send a letter."""
    return f"{to} {copies} {urgent}"


@worker(name="tell it", timeout=30)
def tell(ctx: JobContext, to: str) -> str:
    return f"{ctx.attempt} {to}"


def test_a_bare_worker_takes_the_name_of_its_function() -> None:
    assert send.name == "send"
    assert send.timeout is None
    assert send.is_async
    assert not send.takes_context
    assert repr(send) == "<Worker 'send'>"


def test_a_worker_with_settings() -> None:
    assert tell.name == "tell it"
    assert tell.timeout == 30.0
    assert not tell.is_async
    assert tell.takes_context
    assert worker(timeout=timedelta(minutes=2))(lambda_like).timeout == 120.0


def lambda_like() -> None: ...


def test_a_worker_looks_like_its_handler() -> None:
    assert send.__doc__ == "Send a letter."
    assert vars(send)["__name__"] == "send"
    assert inspect.unwrap(send) is send.handler
    assert str(inspect.signature(send)).startswith("(to: str, copies: int = 1")


def test_a_worker_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        send.name = "other"  # type: ignore[misc]  # that is the point


@pytest.mark.trio
async def test_calling_a_worker_runs_its_handler() -> None:
    assert await send("a", urgent=True) == "a 1 True"


def test_calling_a_worker_with_context_says_how() -> None:
    with pytest.raises(TypeError) as caught:
        tell("a")
    assert str(caught.value) == (
        "worker 'tell it' takes a JobContext: "
        "call its .handler(context, ...) with a context that you made"
    )
    assert tell.handler(JobContext(a_job()), "a") == "1 a"


def test_a_request_holds_the_given_arguments_only() -> None:
    assert send.request("a") == JobRequest("send", '{"to":"a"}')
    assert send.request("a", 2).payload == '{"to":"a","copies":2}'
    assert send.request(urgent=True, to="é").payload == '{"to":"é","urgent":true}'
    assert tell.request("a").payload == '{"to":"a"}'
    assert tell.request(to="a").payload == '{"to":"a"}'


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (send.request, "send() missing a required argument: 'to'"),
        (lambda: send.request("a", 1, True), "send() too many positional arguments"),  # type: ignore[call-arg]  # as above
        (lambda: send.request("a", by="b"), "send() got an unexpected keyword argument 'by'"),  # type: ignore[call-arg]  # as above
        (lambda: send.request("a", to="b"), "send() multiple values for argument 'to'"),  # type: ignore[misc]  # as above
        (tell.request, "tell it() missing a required argument: 'to'"),
        (lambda: tell.request(a_job(), "a"), "tell it() too many positional arguments"),  # type: ignore[call-arg,arg-type]  # as above
    ],
)
def test_a_call_that_python_would_refuse_is_refused(
    call: Callable[[], Any], message: str
) -> None:
    with pytest.raises(TypeError) as caught:
        call()
    assert str(caught.value) == message


def test_a_keyword_cannot_take_the_place_of_the_context() -> None:
    @worker
    def keep(ctx: JobContext, **names: int) -> None: ...

    with pytest.raises(TypeError, match="multiple values for argument 'ctx'"):
        keep.request(ctx=1)  # type: ignore[arg-type]  # that is the point


def test_an_argument_may_be_called_self() -> None:
    def plain(self: int, worker: str = "") -> int:
        return self

    def named(**names: int) -> dict[str, int]:
        return names

    one, several = worker(plain), worker(named)
    assert one.request(self=1).payload == '{"self":1}'
    assert one.decode('{"self":1}') == ((), {"self": 1})
    assert one(self=2) == 2
    assert several.request(self=1, worker=2).payload == '{"names":{"self":1,"worker":2}}'
    assert several(self=1) == {"self": 1}


@pytest.mark.parametrize(
    ("payload", "found"), [(5, "int"), ([5], "list"), (None, "None"), (b"{}", "bytes")]
)
def test_a_payload_is_a_text(payload: Any, found: str) -> None:
    with pytest.raises(TypeError) as caught:
        send.decode(payload)
    assert str(caught.value) == f"payload of worker 'send': expected str, found {found}"


def test_decode_returns_the_arguments_of_a_call() -> None:
    args, kwargs = send.decode(send.request("a", 2, urgent=True).payload)
    assert inspect.signature(send).bind(*args, **kwargs).arguments == {
        "to": "a",
        "copies": 2,
        "urgent": True,
    }


@pytest.mark.parametrize(
    ("payload", "problems"),
    [
        ("{}", ["missing argument 'to'"]),
        (
            '{"to":"a","x":1}',
            ["found 1 unexpected argument, expected only 'to', 'copies', 'urgent'"],
        ),
        (
            '{"x":1}',
            [
                "missing argument 'to'",
                "found 1 unexpected argument, expected only 'to', 'copies', 'urgent'",
            ],
        ),
        (
            '{"to":5,"copies":"5"}',
            ["to: expected str, found int", "copies: expected int, found str"],
        ),
        ('{"to":"a","copies":true}', ["copies: expected int, found bool"]),
        ('{"to":"a","copies":1.0}', ["copies: expected int, found float"]),
        ("[]", ["expected an object of arguments, found list"]),
        ("null", ["expected an object of arguments, found None"]),
        ("{", ["expected JSON, found other text"]),
    ],
)
def test_decode_refuses_a_payload_that_does_not_match(
    payload: str, problems: list[str]
) -> None:
    with pytest.raises(PayloadError) as caught:
        send.decode(payload)
    assert caught.value.worker == "send"
    assert list(caught.value.problems) == problems


class Mailer:
    async def send(self, to: str) -> str:
        return to

    async def __call__(self, to: str) -> str:
        return to


@pytest.mark.trio
async def test_methods_partials_and_callables_are_handlers() -> None:
    bound = worker(Mailer().send)
    assert (bound.name, bound.is_async) == ("send", True)
    assert await bound("a") == "a"
    called = worker(name="mailer")(Mailer())
    assert called.is_async
    assert called.request("a").payload == '{"to":"a"}'
    part = worker(name="part")(functools.partial(Mailer().send, "a"))
    assert part.is_async
    assert part.request().payload == "{}"
    assert worker(name="short")(lambda: 5)() == 5
    assert worker(staticmethod(Mailer().send)).is_async


def test_a_plain_decorator_around_an_async_function_stays_plain_to_be_called() -> None:
    """It may block until the async function has ended, so it needs a thread."""
    decorated = worker(logged(Mailer().send))
    assert (decorated.name, decorated.is_async) == ("send", False)
    assert decorated.request("a").payload == '{"to":"a"}'


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return inner


class Yielding:
    def __call__(self) -> Iterator[int]:
        yield 1


GENERATOR = "expected a function that returns, found a generator function"
CLASS = (
    "expected a function, found the class 'Yielding', which a call would only instantiate; "
    "pass an instance with a __call__ method"
)
NAMELESS = "expected a name, found a handler without one; write @worker(name=...)"


TIMEOUT_MOST = "worker 'lambda_like': timeout: expected at most 36,500 days, found "


@pytest.mark.parametrize(
    ("settings", "handler", "message"),
    [
        ({}, generator, f"worker 'generator': {GENERATOR}"),
        ({}, async_generator, f"worker 'async_generator': {GENERATOR}"),
        ({}, logged(generator), f"worker 'generator': {GENERATOR}"),
        ({}, logged(logged(async_generator)), f"worker 'async_generator': {GENERATOR}"),
        ({}, contextmanager(generator), f"worker 'generator': {GENERATOR}"),
        ({}, asynccontextmanager(async_generator), f"worker 'async_generator': {GENERATOR}"),
        ({}, staticmethod(generator), f"worker 'generator': {GENERATOR}"),
        ({"name": "a"}, functools.partial(logged(generator)), f"worker 'a': {GENERATOR}"),
        ({"name": "a"}, Yielding(), f"worker 'a': {GENERATOR}"),
        (
            {},
            Yielding,
            f"worker 'Yielding': {CLASS}",
        ),
        ({}, send, "worker 'send': expected a function, found a worker"),
        ({}, lambda: None, f"worker '<lambda>': {NAMELESS}"),
        ({}, functools.partial(lambda_like), f"worker 'partial': {NAMELESS}"),
        (
            {"name": ""},
            lambda_like,
            "worker '': expected a name of 1 to 200 characters, found 0",
        ),
        (
            {"name": "x" * 201},
            lambda_like,
            f"worker '{'x' * 200}': expected a name of 1 to 200 characters, found 201",
        ),
        (
            {"name": "a\0"},
            lambda_like,
            "worker 'a\\x00': expected a name without control characters and surrogates",
        ),
        (
            {"name": "\ud800"},
            lambda_like,
            "worker '\\ud800': expected a name without control characters and surrogates",
        ),
        ({"name": 5}, lambda_like, "worker '5': expected a str as its name, found int"),
        ({"name": "a"}, 5, "worker 'a': expected a function, found int"),
        (
            {"timeout": 0},
            lambda_like,
            "worker 'lambda_like': timeout: expected more than 0 seconds, found 0",
        ),
        (
            {"timeout": timedelta(seconds=-1)},
            lambda_like,
            (
                "worker 'lambda_like': timeout: expected more than 0 seconds, "
                "found -1 day, 23:59:59"
            ),
        ),
        (
            {"timeout": timedelta.max},
            lambda_like,
            TIMEOUT_MOST + "999999999 days, 23:59:59.999999",
        ),
        (
            {"timeout": float("inf")},
            lambda_like,
            TIMEOUT_MOST + "inf",
        ),
        (
            {"timeout": 10**400},
            lambda_like,
            TIMEOUT_MOST + "1" + 39 * "0" + "...",
        ),
        (
            {"timeout": float("nan")},
            lambda_like,
            "worker 'lambda_like': timeout: expected more than 0 seconds, found nan",
        ),
        (
            {"timeout": "5"},
            lambda_like,
            "worker 'lambda_like': timeout: expected seconds or a timedelta, found str",
        ),
    ],
)
def test_what_cannot_be_a_worker_is_refused(
    settings: dict[str, Any], handler: Any, message: str
) -> None:
    with pytest.raises(WorkerDefinitionError) as caught:
        worker(**settings)(handler)
    assert str(caught.value) == message


class Holder:
    @staticmethod
    @worker
    def inside(size: int) -> int:
        return size


def _hidden(size: int) -> int:
    return size


renamed = worker(name="renamed")(_hidden)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("one", [send, tell, Holder.inside])
def test_a_worker_is_pickled_by_its_name_and_is_itself_again(one: Any, protocol: int) -> None:
    written = pickle.dumps(one, protocol)
    assert pickle.loads(written) is one
    assert len(written) < 100


def test_a_worker_that_is_not_found_by_its_name_is_not_pickled() -> None:
    @worker
    def local(size: int) -> int:
        return size

    cases: dict[Any, tuple[str, str, str]] = {
        renamed: ("'renamed'", "_hidden", "function"),
        worker(name="part")(functools.partial(_hidden, 1)): ("'part'", "part", "NoneType"),
        local: (
            "'local'",
            "test_a_worker_that_is_not_found_by_its_name_is_not_pickled.<locals>.local",
            "NoneType",
        ),
    }
    for one, (name, path, found) in cases.items():
        with pytest.raises(TypeError) as caught:
            pickle.dumps(one)
        assert str(caught.value).startswith(f"worker {name}: expected to find it as ")
        assert f".{path}, found {found}; to be pickled, it has to be" in str(caught.value)


def test_a_copy_of_a_worker_is_the_worker() -> None:
    assert copy.copy(renamed) is renamed
    assert copy.deepcopy([renamed]) == [renamed]
