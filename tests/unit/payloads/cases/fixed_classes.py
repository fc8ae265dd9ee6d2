"""Classes that contain each other, and classes with code of their own."""

import dataclasses
from typing import Any

import attrs
from hypothesis import strategies as st

from tests.unit.payloads.cases.classes import grown, split
from tests.unit.payloads.cases.samples import Case, Sample, Samples, fits, kinds, misfits


@attrs.define
class Leaf:
    size: int


@attrs.define
class Branch:
    """It holds itself, and by another class."""

    children: "list[Leaf | Branch]"
    chain: "Chain | None" = None


@dataclasses.dataclass(frozen=True)
class Chain:
    next: "Chain | Branch | None" = None
    number: "int" = 0


@dataclasses.dataclass
class Derived:
    size: int
    twice: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.twice = 2 * self.size
        self.thrice = 3 * self.size


@attrs.frozen
class Split:
    """Its converter does not take what it has made."""

    a: list[str] = attrs.field(converter=split)


@attrs.frozen
class Noted:
    """Equal to others with another note, which grows whenever one is made."""

    size: int
    note: str = attrs.field(converter=grown, eq=False)


@attrs.frozen(slots=False, cache_hash=True)
class Hashed:
    size: int


def _derived(size: int, twice: int) -> Sample:
    made = Derived(size)
    made.twice = twice
    return Sample(made, made, () if twice == 2 * size else (".twice",))


sizes = st.integers(-3, 3)
leaves = sizes.map(Leaf)
branches: st.SearchStrategy[Any] = st.recursive(
    st.builds(Branch, st.just([])),
    lambda inner: st.builds(
        Branch,
        st.lists(leaves | inner, max_size=2),
        st.none() | st.builds(Chain, st.none() | inner, sizes),
    ),
    max_leaves=4,
)


texts = st.sampled_from(["", "a", "a,b"])


def fixed_case(kind: Any, values: Samples, *, is_sure: bool = True) -> Case:
    return Case(kind, values, kind.__name__, kinds("object"), is_sure)


FIXED: list[Case] = [
    fixed_case(Branch, fits(branches)),
    fixed_case(
        Derived, st.builds(_derived, sizes, sizes) | sizes.map(lambda n: _derived(n, 2 * n))
    ),
    fixed_case(Hashed, fits(sizes.map(Hashed))),
    fixed_case(Noted, misfits(st.builds(Noted, sizes, texts)), is_sure=False),
    fixed_case(Split, misfits(texts.map(Split)), is_sure=False),
]
