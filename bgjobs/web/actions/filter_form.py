"""The form of the page Jobs: what was typed, and the filter that it means."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar, cast, final
from uuid import UUID

from attrs import frozen
from starlette.datastructures import QueryParams

import bgjobs
from bgjobs._core.text import value_text

T = TypeVar("T")

STATES: Sequence[bgjobs.State] = (
    *("waiting", "delayed", "running", "succeeded", "failed", "cancelled"),
    "unreadable",
)
DEFAULT_STATE: bgjobs.State = "failed"
"""The state that is listed if none was chosen."""
_POSITION = "position"
_TEXTS = ("state", "name", "queue", "owner", "search", "before", "after", _POSITION)
"""The parameters of the address, under the names of `JobFilter`, and where the page begins."""


@final
@frozen(eq=False)
class JobForm:
    """The form with what was typed, also if that is invalid."""

    typed: Mapping[str, str]
    """The texts by the name of the field; empty for what was not given."""
    metadata: list[str]
    """Each key with its value, as in ``tenant=7``."""
    problems: Mapping[str, str]
    """What is wrong, by the name of the field."""
    wanted: bgjobs.JobFilter[bgjobs.State]
    """The filter, without what is invalid."""
    position: bgjobs.Cursor | None
    """Where the page begins; None for the first page."""

    @property
    def is_indexed(self) -> bool:
        """Whether an index finds the jobs, so that no other rows are read."""
        one = self.wanted
        has_index = one.state not in ("waiting", "delayed") and one.queue is None
        has_owner = one.owner is None or one.state == "running"
        return has_index and has_owner and not (one.metadata or one.before or one.after)

    def pairs(self, after: bgjobs.Cursor | None = None) -> Iterator[tuple[str, str]]:
        """Yield the names and values of the address of a page of the same filter."""
        yield "state", self.wanted.state
        for name in _TEXTS[1:-1]:
            if self.typed[name]:
                yield name, self.typed[name]
        for one in self.metadata:
            yield "metadata", one
        if after is not None:
            yield _POSITION, str(after)


def job_form(query: QueryParams) -> JobForm:
    """Return the form that an address means."""
    typed = {name: query.get(name, "") for name in _TEXTS}
    metadata = [one for one in query.getlist("metadata") if one]
    problems = dict[str, str]()
    position = _read(typed, _POSITION, bgjobs.Cursor.of, problems)
    wanted = _filter(typed, metadata_of(metadata, problems), problems)
    return JobForm(typed, metadata, problems, wanted, position)


def _filter(
    typed: Mapping[str, str], metadata: Mapping[str, str], problems: dict[str, str]
) -> bgjobs.JobFilter[bgjobs.State]:
    """Return the filter of the texts; what is wrong with them is added to `problems`."""
    state = cast("bgjobs.State", typed["state"] or DEFAULT_STATE)
    parts: dict[str, Any] = {
        **{name: typed[name] or None for name in ("name", "queue", "search")},
        "owner": _read(typed, "owner", _id, problems),
        "before": _read(typed, "before", instant_of, problems),
        "after": _read(typed, "after", instant_of, problems),
    }
    try:
        return bgjobs.JobFilter(state, metadata=metadata, **parts)
    except ValueError as error:
        what, _, problem = str(error).partition(": ")
        problems[what] = problem
        return bgjobs.JobFilter(state if state in STATES else DEFAULT_STATE)


def _read(
    typed: Mapping[str, str], name: str, parse: Callable[[str], T], problems: dict[str, str]
) -> T | None:
    """Return the value of a field; None if it is empty, or wrong, which is then noted."""
    try:
        return parse(typed[name]) if typed[name] else None
    except ValueError as error:
        problems[name] = str(error).removeprefix("text: ")
        return None


def metadata_of(metadata: Sequence[str], problems: dict[str, str]) -> Mapping[str, str]:
    """Return the texts by key; add a problem of the field ``metadata`` to `problems`."""
    found = dict[str, str]()
    for one in metadata:
        key, sign, value = one.partition("=")
        if not key or not sign:
            problems["metadata"] = f"expected KEY=VALUE, found {value_text(one)}"
        elif key in found:
            problems["metadata"] = f"expected each key once, found {value_text(key)} again"
        else:
            found[key] = value
    return found


def _id(text: str) -> UUID:
    try:
        return UUID(text.strip())
    except ValueError:
        raise ValueError(f"expected a UUID, found {value_text(text)}") from None


def instant_of(text: str) -> datetime:
    """Return a time; one without a zone is in UTC."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        example = "a time in UTC such as 2030-01-31 08:00"
        raise ValueError(f"expected {example}, found {value_text(text)}") from None
    return found if found.utcoffset() is not None else found.replace(tzinfo=UTC)
