"""All annotations, inside each other."""

from attrs import evolve
from hypothesis import strategies as st

from tests.unit.payloads.cases.aliases import ALIASES, aliases
from tests.unit.payloads.cases.choices import CHOICES, made_enum
from tests.unit.payloads.cases.classes import attrs_class, data_class, tagged_union
from tests.unit.payloads.cases.containers import Cases, containers
from tests.unit.payloads.cases.fixed_classes import FIXED
from tests.unit.payloads.cases.generics import generics
from tests.unit.payloads.cases.samples import evenly
from tests.unit.payloads.cases.scalars import SCALARS
from tests.unit.payloads.cases.tuples_and_dicts import named_tuple, typed_dict

SINGLE: Cases = evenly(
    st.sampled_from(SCALARS),
    st.sampled_from(SCALARS),
    st.sampled_from(CHOICES),
    st.sampled_from(ALIASES),
    st.sampled_from(FIXED),
    made_enum(),
)


def around(cases: Cases) -> Cases:
    return evenly(
        containers(cases),
        containers(cases),
        containers(cases),
        attrs_class(cases),
        data_class(cases),
        tagged_union(cases),
        named_tuple(cases),
        typed_dict(cases),
        generics(cases),
        aliases(cases),
    )


CASES: Cases = st.recursive(SINGLE, around, max_leaves=4)
ODD: Cases = st.sampled_from([
    evolve(one, values=one.odd) for one in (*SCALARS, *CHOICES) if not one.odd.is_empty
])  # fmt: skip
"""Single values that do not fit."""
SHALLOW: Cases = evenly(SINGLE, around(SINGLE), around(SINGLE))
