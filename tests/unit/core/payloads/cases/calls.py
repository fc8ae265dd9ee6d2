"""Calls with parameters of all kinds, and damaged rows."""

import inspect
import sys
from collections.abc import Callable
from inspect import Parameter
from typing import Annotated, Any, Optional

from attrs import evolve, frozen
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from bgjobs._core.context import JobContext
from bgjobs._core.workers import Worker, worker
from bgjobs.errors import PayloadError, WorkerDefinitionError
from tests.unit.core.payloads.cases.classes import FIXED, attrs_class, data_class, tagged_union
from tests.unit.core.payloads.cases.containers import (
    CHOICES,
    Cases,
    containers,
    frozen_set_of,
    gathered,
    made_enum,
)
from tests.unit.core.payloads.cases.generics import (
    ALIASES,
    aliases,
    generics,
    named_tuple,
    typed_dict,
)
from tests.unit.core.payloads.cases.samples import SCALARS, Case, Sample, evenly

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

CONTEXTS: list[Any] = [
    JobContext,
    JobContext | None,
    Optional[JobContext],  # noqa: UP045 - the old spelling
    Annotated[JobContext, "a note"],
    "JobContext",
    "JobContext | None",
]


@frozen(eq=False, repr=False)
class Call:
    """The signature of a handler, and the arguments of one call."""

    signature: inspect.Signature
    """Without the context."""
    context: Any
    """The annotation of the context; None without a context."""
    args: list[Sample]
    kwargs: dict[str, Sample]
    misfits: tuple[str, ...]
    is_sure: bool
    called: str

    def __repr__(self) -> str:
        try:
            given = repr(self.given())
        except ValueError:  # an int with more digits than Python writes
            given = "arguments that cannot be shown"
        return f"({self.called}) {self.signature} {given}, unfit: {self.misfits}"

    def handler(self) -> Callable[..., None]:
        def handler(*args: Any, **kwargs: Any) -> None: ...

        shown = list(self.signature.parameters.values())
        if self.context is not None:
            kind = shown[0].kind if shown else Parameter.POSITIONAL_OR_KEYWORD
            kind = min(kind, Parameter.POSITIONAL_OR_KEYWORD)
            shown.insert(0, Parameter("ctx", kind, annotation=self.context))
        vars(handler)["__signature__"] = inspect.Signature(shown)
        return handler

    def given(self) -> tuple[list[Any], dict[str, Any]]:
        return [x.given for x in self.args], {name: x.given for name, x in self.kwargs.items()}

    def expected(self) -> dict[str, Any]:
        """Return the argument that the handler must receive for each parameter."""
        kwargs = {name: one.back for name, one in self.kwargs.items()}
        return self.bound([one.back for one in self.args], kwargs)

    def bound(self, args: Any, kwargs: Any) -> dict[str, Any]:
        found = self.signature.bind(*args, **kwargs)
        found.apply_defaults()
        return dict(found.arguments)


@st.composite
def single_call(draw: st.DrawFn, cases: Cases) -> Call:
    """Call a handler of one parameter."""
    case = draw(cases)
    sample = draw(case.values)
    it = Parameter("it", Parameter.POSITIONAL_OR_KEYWORD, annotation=case.annotation)
    context = draw(st.sampled_from([None] * 9 + CONTEXTS))
    signature = inspect.Signature([it])
    return Call(signature, context, [sample], {}, sample.below("it"), case.is_sure, case.called)


@st.composite
def any_call(draw: st.DrawFn) -> Call:
    """Call a handler of several parameters, passed by position or by name."""
    made = Making(draw)
    made.add_plain(Parameter.POSITIONAL_ONLY, ["first", "second"])
    made.add_plain(Parameter.POSITIONAL_OR_KEYWORD, ["third", "fourth"])
    made.add_rest()
    made.add_plain(Parameter.KEYWORD_ONLY, ["fifth", "ctx_"])
    made.add_named()
    return made.call()


class Making:
    """Collects the parameters of one signature and their arguments."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.parameters: list[Parameter] = []
        self.cases: list[Case] = []
        self.args: list[Sample] = []
        self.kwargs: dict[str, Sample] = {}
        self.misfits: list[str] = []
        self.has_default = False
        self.is_by_name = False

    def add_plain(self, kind: Any, names: list[str]) -> None:
        for name in names[: self.draw(st.integers(0, len(names)))]:
            case = self.draw(SHALLOW)
            self.has_default |= kind is not Parameter.KEYWORD_ONLY and self.draw(st.booleans())
            default = self.draw(case.values).given if self.has_default else Parameter.empty
            self._add(Parameter(name, kind, annotation=case.annotation, default=default), case)
            if default is Parameter.empty or self.draw(st.booleans()):
                self._give(name, kind, self.draw(case.values))
            else:
                self.is_by_name = True

    def _give(self, name: str, kind: Any, sample: Sample) -> None:
        if kind is Parameter.POSITIONAL_ONLY and self.is_by_name:
            return  # an earlier parameter was omitted
        by_name = kind is Parameter.KEYWORD_ONLY or (
            kind is Parameter.POSITIONAL_OR_KEYWORD
            and (self.is_by_name or self.draw(st.booleans()))
        )
        self.is_by_name |= by_name
        if by_name:
            self.kwargs[name] = sample
        else:
            self.args.append(sample)
        self.misfits += sample.below(name)

    def add_rest(self) -> None:
        if not self.draw(st.booleans()):
            return
        case = self.draw(SHALLOW)
        self._add(Parameter("rest", Parameter.VAR_POSITIONAL, annotation=case.annotation), case)
        if self.is_by_name:
            return
        more = self.draw(st.lists(case.values, max_size=2))
        self.args += more
        self.misfits += [p for n, one in enumerate(more) for p in one.below(f"rest[{n}]")]

    def add_named(self) -> None:
        if not self.draw(st.booleans()):
            return
        case = self.draw(SHALLOW)
        self._add(Parameter("named", Parameter.VAR_KEYWORD, annotation=case.annotation), case)
        for key in self.draw(st.sampled_from([[], ["x"], ["named", "rest"], ["not a name"]])):
            sample = self.draw(case.values)
            self.kwargs[key] = sample
            self.misfits += sample.below(f"named[{key!r}]")

    def _add(self, parameter: Parameter, case: Case) -> None:
        self.parameters.append(parameter)
        self.cases.append(case)

    def call(self) -> Call:
        return Call(
            inspect.Signature(self.parameters),
            self.draw(st.sampled_from([None, *CONTEXTS])),
            self.args,
            self.kwargs,
            tuple(self.misfits),
            all(one.is_sure for one in self.cases),
            ", ".join(one.called for one in self.cases),
        )


@st.composite
def full_set(draw: st.DrawFn, cases: Cases) -> Case:
    """Make a set with enough items for its order to depend on their hashes."""
    inner = draw(cases)
    items = draw(st.lists(inner.values, min_size=6, max_size=8))
    filled = gathered([one for one in items if not one.misfits], frozenset, frozenset)
    return evolve(frozen_set_of(inner), values=st.just(filled))


calls_with_sets = single_call(full_set(SHALLOW))
"""Calls whose texts would differ between processes if sets were written in their own order."""
calls = evenly(*[single_call(evenly(CASES, SHALLOW, ODD))] * 5, calls_with_sets, any_call())

json_scalars = st.sampled_from([
    None, True, False, 0, 1, -1, 2**53 + 1, 10**400, 0.5, -0.0, 1e300, "", "a", "red", "1",
    "-0", "1_0", " 1", "NaN", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00Z", "24:00",
    "YQ", "YQ==", "\0", "\ud800", "{12345678-1234-5678-1234-567812345678}",
])  # fmt: skip
json_names = st.sampled_from(["it", "a", "_b", "kind", "item", "key", "value", "size", "", "é"])
anything: st.SearchStrategy[Any] = st.recursive(
    json_scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(json_names, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def damaged(draw: st.DrawFn, json: Any) -> Any:
    """Replace, remove or add one part of a JSON value."""
    children: list[Any] = list(json) if isinstance(json, dict) else []
    children = list(range(len(json))) if isinstance(json, list) else children
    if not children or draw(st.sampled_from([True, False, False])):
        return draw(anything)
    step = draw(st.sampled_from(children))
    done = draw(st.sampled_from(["deeper", "deeper", "deeper", "less", "twice"]))
    copy = json.copy()
    if done == "less":
        del copy[step]
    elif done == "twice" and isinstance(copy, list):
        copy.append(copy[step])
    elif done == "twice":
        copy[draw(json_names)] = copy[step]
    else:
        copy[step] = draw(damaged(copy[step]))
    return copy


def payload_of(call: Call) -> str:
    try:
        made: Worker[..., object] = worker(call.handler())
    except WorkerDefinitionError:
        return "cannot be declared"
    args, kwargs = call.given()
    try:
        return made.request(*args, **kwargs).payload
    except PayloadError:
        return "refused"


@settings(
    max_examples=10,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(evenly(calls_with_sets, calls))
def print_payload(call: Call) -> None:
    sys.stdout.write(f"{payload_of(call)}\n")


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # a text stream here
    # After ten examples Hypothesis also mutates earlier ones. Which parts it exchanges depends
    # on hashes of functions, so on addresses, which differ between processes.
    for number in range(30):
        seed(number)(print_payload)()
