"""What a property of payloads is tried on: an annotation, and values that a caller may give."""

from collections.abc import Callable, Hashable, Iterable
from typing import Any

from attrs import field, frozen
from hypothesis import strategies as st

Values = st.SearchStrategy[Any]
HERE = ("",)
"""The place of what is unfit as a whole."""


class Lost:
    """Stands for what nothing can come back as, so that only a refusal is right."""


@frozen(eq=False)
class Sample:
    """A value, and what a handler has to get for it."""

    given: Any
    back: Any
    """Of the same types at every depth, unless the documents name another one."""
    misfits: tuple[str, ...] = ()
    """Paths to what may be refused; without one the value has to come back."""

    def below(self, step: str) -> tuple[str, ...]:
        """Return the paths as seen from what holds the value."""
        return tuple(step + path for path in self.misfits)


Samples = st.SearchStrategy[Sample]


@frozen(eq=False)
class Case:
    """An annotation with values for it."""

    annotation: Any
    values: Samples = field(repr=False)
    called: str
    kinds: frozenset[str]
    """What its values are in JSON; members of a union may not share one."""
    is_sure: bool = True
    """Whether it can be declared, and makes no values other than those that were read."""
    converts: bool = False
    """Whether it takes values that come back as another type."""
    odd: Samples = field(factory=st.nothing, repr=False)
    """Those of the values that do not fit."""


def fits(values: Values) -> Samples:
    """Values that come back as they are."""
    return values.map(lambda one: Sample(one, one))


def becomes(values: Values, change: Callable[[Any], Any]) -> Samples:
    """Values that come back as something that is equal, and of another type."""
    return values.map(lambda one: Sample(one, change(one)))


def misfits(values: Values) -> Samples:
    """Values that are refused, or come back as they are."""
    return values.map(lambda one: Sample(one, one, HERE))


def mostly(good: Samples, *others: Samples) -> Samples:
    """Draw what fits three times as often as the others together."""
    return evenly(good, good, good, evenly(*others))


def evenly(*strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw from each as often; `one_of` would count the parts of joined ones."""
    return st.sampled_from(strategies).flatmap(_itself)


def _itself(one: Any) -> Any:
    return one


def kinds(*names: str) -> frozenset[str]:
    return frozenset(names)


def can_be_hashed(value: Any) -> bool:
    try:
        hash(value)
    except Exception:  # noqa: BLE001 - a signalling NaN has an error of its own
        return False
    return True


def all_misfits(parts: Iterable[tuple[str, Sample]]) -> tuple[str, ...]:
    """Return the paths of all parts, each under its step."""
    return tuple(path for step, one in parts for path in one.below(step))


def each_once(samples: Iterable[Sample]) -> list[Sample]:
    """Drop what is equal to one before, as a set or the keys of a dict do."""
    found: dict[Hashable, Sample] = {}
    for one in samples:
        if can_be_hashed(one.given):
            found.setdefault(one.given, one)
    return list(found.values())


def of(kind: Any, *arguments: Any) -> Any:
    """Return `kind[arguments]`, which a type checker takes for a type if it is written so."""
    return kind[arguments]
