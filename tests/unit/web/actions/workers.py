"""Workers of all kinds of signatures."""

import dataclasses
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, Flag
from typing import Annotated, Any, Literal, NamedTuple, NewType, Optional, cast
from uuid import UUID

import attrs

import bgjobs

Tenant = NewType("Tenant", int)


class Colour(Enum):
    RED = "red"
    BLUE = "</option><script>"


class Rights(Flag):
    READ = 1
    WRITE = 2


@attrs.frozen
class Card:
    holder: str
    number: str = attrs.field(repr=False)


@dataclasses.dataclass
class Size:
    width: int
    height: int = 2


class Point(NamedTuple):
    x: int
    y: int


@bgjobs.worker
async def each(
    context: bgjobs.JobContext,
    text: str,
    whole: Tenant,
    number: "float",
    flag: bool,
    colour: Colour,
    level: Annotated[Literal["low", 3] | None, "why"],
    day: date,
    moment: datetime,
    wait: timedelta,
    data: bytes,
    rights: Rights,
    items: list[int],
    either: int | str,
    maybe: Optional[UUID] = None,  # noqa: UP045 - the old spelling
) -> None: ...


@bgjobs.worker
def defaults(
    text: str = "a\nb",
    count: int = 3,
    share: Decimal = Decimal("0.5"),
    on: bool = True,
    colour: Colour = Colour.RED,
    level: int | None = 5,
    size: Size = Size(1),  # noqa: B008 - a default of its own type
    card: Card = Card("Ada", "4111"),
    odd: str = "a\u202eb",
    wrong: int = cast("Any", "none"),
    long: str = "x" * 5_000,
) -> None: ...


@bgjobs.worker
async def stars(
    first: int, /, second: int = 2, *rest: int, key: str = "k", **more: int
) -> None: ...


@bgjobs.worker(name="pay card")
async def pay(card: Card, note: str = "") -> None: ...
