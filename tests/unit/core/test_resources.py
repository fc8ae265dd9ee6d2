"""What a lifespan must be, and which resources fit the annotation of a handler."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NewType,
    Protocol,
    TypedDict,
    TypeVar,
    runtime_checkable,
)
from unittest.mock import Mock

import pytest
from typing_extensions import TypeAliasType

import bgjobs
from bgjobs._core.resources import fits, mismatches, problem_of_lifespan, protocol_members
from tests.unit.core.settings import make_config, problems_of

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Pool: ...


class Child(Pool): ...


class Box(Generic[T]):
    def __init__(self, value: T) -> None:
        self.value = value


class Fetches(Protocol):
    """A protocol that `isinstance` refuses."""

    limit: int

    @property
    def name(self) -> str: ...

    async def fetch(self, url: str) -> bytes: ...


class FetchesMore(Fetches, Protocol):
    def close(self) -> None: ...


class Holds(Protocol[T_co]):
    def held(self) -> T_co: ...


@runtime_checkable
class Closes(Protocol):
    def close(self) -> None: ...


class Fetcher:
    limit = 5
    name = "fetcher"

    async def fetch(self, url: str) -> bytes:
        return b""


class FullFetcher(Fetcher):
    def close(self) -> None: ...


class OfInstance:
    """It has the members as attributes of the instance, and reading one raises."""

    def __init__(self) -> None:
        self.limit, self.fetch = 5, None

    @property
    def name(self) -> str:
        raise ValueError("not read")


class Settings(TypedDict):
    pool: Pool


OPTIONAL: Any = TypeAliasType("OPTIONAL", Pool | None)
ALIAS: Any = TypeAliasType("ALIAS", OPTIONAL)
Named = NewType("Named", Pool)
Numbered = NewType("Numbered", int)

FITS: list[tuple[Any, Any]] = [
    (Pool(), Pool),
    (Child(), Pool),
    (Pool(), Any),
    (Pool(), object),
    (Pool(), T),
    (Pool(), Pool | None),
    (None, Pool | None),
    (None, type(None)),
    (Pool(), int | Annotated[Pool, "x"]),
    (Pool(), Named),
    (5, Numbered),
    (Box(5), Box[int]),
    (Box(5), Box[str]),  # inside a generic class nothing is checked
    ([], list[int]),
    ((), tuple[int, ...]),
    (Pool, type[Pool]),
    (print, Callable[..., None]),
    ([], Iterable[int]),
    ({}, Settings),
    (Fetcher(), Fetches),
    (OfInstance(), Fetches),
    (FullFetcher(), FetchesMore),
    (Mock(), Fetches),
    (Mock(spec=Pool), Pool),
    (Mock(), Holds[int]),
    (FullFetcher(), Closes),
    ("a", Literal["b"]),  # no class, so nothing is checked
]
DIFFERS: list[tuple[Any, Any]] = [
    (5, Pool),
    (None, Pool),
    (Pool(), Child),
    (Pool, Pool),
    (Pool(), int | None),
    (Pool(), type(None)),
    (Pool(), Numbered),
    (Pool(), Box[int]),
    ((), list[int]),
    (5, Callable[..., None]),
    (5, Settings),
    (Pool(), Fetches),
    (Fetcher(), FetchesMore),
    (Fetcher(), Holds[int]),
    (Fetcher(), Holds[int] | None),
    (Fetcher(), Closes),
]


@pytest.mark.parametrize(("value", "annotation"), FITS)
def test_a_value_fits(value: Any, annotation: Any) -> None:
    assert fits(value, annotation)


@pytest.mark.parametrize(("value", "annotation"), DIFFERS)
def test_a_value_does_not_fit(value: Any, annotation: Any) -> None:
    assert not fits(value, annotation)


def test_an_alias_means_its_value() -> None:
    assert fits(Pool(), ALIAS)
    assert fits(None, ALIAS | int)
    assert not fits(5, ALIAS)


def test_the_members_of_a_protocol_are_those_of_its_bases_and_its_own() -> None:
    assert protocol_members(Fetches) == {"limit", "name", "fetch"}
    assert protocol_members(FetchesMore) == {"limit", "name", "fetch", "close"}
    assert protocol_members(Holds) == {"held"}
    assert protocol_members(Closes) == {"close"}


@bgjobs.worker
async def pooled(context: bgjobs.JobContext[Pool]) -> None: ...


@bgjobs.worker
async def boxed(context: bgjobs.JobContext[Box[int]] | None) -> None: ...


@bgjobs.worker
async def bare(context: bgjobs.JobContext) -> None: ...


@bgjobs.worker
async def anything(context: bgjobs.JobContext[Any]) -> None: ...


@bgjobs.worker
async def generic(context: bgjobs.JobContext[T]) -> None: ...


@bgjobs.worker
async def without(number: int) -> None: ...


UNCHECKED = [bare, anything, generic, without]


def test_each_worker_with_other_resources_is_named_once() -> None:
    workers = [pooled, boxed, *UNCHECKED, pooled]
    assert mismatches(workers, 5, has_lifespan=True) == [
        f"worker 'pooled': context.resources: expected {__name__}.Pool, found int",
        f"worker 'boxed': context.resources: expected {__name__}.Box[int], found int",
    ]
    assert mismatches(workers, None, has_lifespan=False) == [
        f"worker 'pooled': context.resources: expected {__name__}.Pool, found no lifespan",
        f"worker 'boxed': context.resources: expected {__name__}.Box[int], found no lifespan",
    ]
    [problem] = mismatches(workers, Child(), has_lifespan=True)
    assert problem.endswith(f"expected {__name__}.Box[int], found {__name__}.Child")
    assert mismatches(UNCHECKED, 5, has_lifespan=True) == []


@asynccontextmanager
async def right(client: bgjobs.Client) -> AsyncIterator[Pool]:
    yield Pool()


class Resources:
    def __init__(self, client: bgjobs.Client) -> None: ...

    async def __aenter__(self) -> Pool:
        return Pool()

    async def __aexit__(self, *_: object) -> None: ...


def plain(client: bgjobs.Client) -> AbstractAsyncContextManager[Pool]:
    return right(client)


@pytest.mark.parametrize("lifespan", [None, right, Resources, plain])
def test_a_lifespan_is_a_function_of_the_client(lifespan: Any) -> None:
    assert problem_of_lifespan(lifespan) is None
    assert make_config(lifespan=lifespan).lifespan is lifespan


@contextmanager
def blocking(client: bgjobs.Client) -> Iterator[None]:
    yield


async def undecorated(client: bgjobs.Client) -> AsyncIterator[Pool]:
    yield Pool()


async def awaited(client: bgjobs.Client) -> Pool:
    return Pool()


NO_CLIENT: Any = None
EXPECTED = (
    "Config: lifespan: expected a function of the client that returns an async context manager"
)
HINT = "decorate the function with @contextlib.asynccontextmanager"


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda: 5, "int"),
        (Pool, "Pool"),
        (lambda: Pool, "the class Pool"),
        (lambda: right(NO_CLIENT), "the result of a call; pass the function itself"),
        (lambda: blocking(NO_CLIENT), "the result of a call; pass the function itself"),
        (lambda: awaited(NO_CLIENT), "coroutine"),
        (lambda: awaited, f"an async function; yield the value, and {HINT}"),
        (lambda: undecorated, f"a generator function; {HINT}"),
    ],
)
def test_other_lifespans_are_refused(make: Callable[[], Any], found: str) -> None:
    [problem] = problems_of(make_config, lifespan=make())
    assert problem == f"{EXPECTED}, found {found}"
