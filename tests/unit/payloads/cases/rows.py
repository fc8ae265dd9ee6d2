"""Rows as they were written, and with a part that something else has taken the place of."""

from typing import Any

from hypothesis import strategies as st

scalars = st.sampled_from([
    None, True, False, 0, 1, -1, 2**53 + 1, 10**400, 0.5, -0.0, 1e300, "", "a", "red", "1",
    "-0", "1_0", " 1", "NaN", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00Z", "24:00",
    "YQ", "YQ==", "\0", "\ud800", "{12345678-1234-5678-1234-567812345678}",
])  # fmt: skip
names = st.sampled_from(["it", "a", "_b", "kind", "item", "key", "value", "size", "", "é"])
anything: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def damaged(draw: st.DrawFn, json: Any) -> Any:
    """Put something else in the place of one part, or leave it out, or add one."""
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
        copy[draw(names)] = copy[step]
    else:
        copy[step] = draw(damaged(copy[step]))
    return copy
