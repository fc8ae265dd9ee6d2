"""Values out of a closed set: enumerations of all kinds, and literals."""

import enum
from functools import partial
from typing import Any, Literal, Self

from hypothesis import strategies as st

from tests.unit.payloads.cases.samples import Case, fits, kinds, misfits, mostly, of
from tests.unit.payloads.cases.scalars import Number, Text, case, words


class Colour(enum.Enum):
    RED = "red"
    ONE = 1
    ALSO_RED = "red"  # noqa: PIE796 - another name of a member


class Word(enum.StrEnum):
    YES = "yes"
    NO = enum.auto()


class Suit(str, enum.Enum):  # noqa: UP042 - as it was written before StrEnum
    HEARTS = "♥"
    NONE = ""


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2**64


class Coded(enum.Enum):
    """Its members are made by code of its own, which gives them other values."""

    ONE = ("first", 1)
    TWO = ("second", 2)

    def __new__(cls, label: str, number: int) -> Self:
        made = object.__new__(cls)
        made._value_ = label + str(number)
        return made


class Open(enum.Enum):
    """It makes members of all values, which no list of members has."""

    A = "a"

    @classmethod
    def _missing_(cls, value: Any) -> "Open":
        made = object.__new__(cls)
        made._name_, made._value_ = "X", value
        return made


class Rights(enum.IntFlag):
    READ = 1
    WRITE = 2


class Modes(enum.Flag):
    A = 1
    B = 2
    BOTH = 3


class Kept(enum.Flag, boundary=enum.KEEP):
    A = 1
    B = 4


def members(kind: type[enum.Enum]) -> Case:
    made: list[str] = sorted({type(one.value).__name__ for one in kind})
    names = {"str": "string", "int": "int"}
    wrong = [one.value for one in kind if type(one.value) is str]
    text = " ".join(names[one] for one in made)
    return case(kind, text, st.sampled_from(kind), st.sampled_from([*wrong, "none of it"]))


def flags(kind: type[enum.Flag], most: int) -> Case:
    values = st.integers(0, most).map(kind) | st.integers(0, most).map(lambda one: ~kind(one))
    return case(kind, "int", values)


def literal(*choices: Any) -> Case:
    json = [one.value if isinstance(one, enum.Enum) else one for one in choices]
    found = {_kind(one) for one in json}
    near: list[Any] = [Text("a"), Number(1), True, 1.0, "z", None, Level.LOW]
    wrong = [one for one in near if all(type(one) is not type(x) or one != x for x in choices)]
    odd = misfits(st.sampled_from(wrong))
    values = mostly(fits(st.sampled_from(choices)), odd)
    called = f"Literal{list(choices)}"
    return Case(of(Literal, *choices), values, called, kinds(*found), odd=odd)


def _kind(value: Any) -> str:
    return {str: "string", int: "int", bool: "bool"}.get(type(value), "null")


@st.composite
def made_enum(draw: st.DrawFn) -> Case:
    values = draw(st.lists(words | st.integers(-2, 2), min_size=1, max_size=3))
    plain: Any = enum.Enum
    made = plain
    if all(type(one) is str for one in values):
        made = draw(st.sampled_from([enum.Enum, enum.StrEnum, partial(plain, type=str)]))
    return members(made("Made", {f"M{number}": one for number, one in enumerate(values)}))


KINDS: list[type[enum.Enum]] = [Colour, Word, Suit, Level, Coded]
CHOICES: list[Case] = [
    *(members(kind) for kind in KINDS),
    case(Open, "string", st.just(Open.A), st.sampled_from([Open("c"), Open(5)])),
    flags(Rights, 9),
    flags(Modes, 3),
    flags(Kept, 15),
    literal("a", 1),
    literal("a", "b", "\u2028"),
    literal("a", None),
    literal(True, 1, "x"),
    literal(Colour.RED, 1),
    literal(Level.LOW),
    literal(Word.YES, "b"),
]
