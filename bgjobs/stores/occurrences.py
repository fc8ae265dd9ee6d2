"""Which occurrence a job serves, as the JSON text that both databases keep in one column."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from attrs import evolve

from bgjobs._core.jobs import LONGEST_DELAY
from bgjobs._core.occurrences import Occurrence, Plan
from bgjobs._core.timestamps import (
    FIRST_MICROSECOND,
    LAST_MICROSECOND,
    MICROSECOND,
    as_instant,
    from_microseconds,
    to_microseconds,
)
from bgjobs.stores.json_columns import as_count, as_flag, as_object, as_text, parsed


def dump_occurrence(occurrence: Occurrence | None) -> str | None:
    """Write it as a JSON object; instants and durations are whole microseconds."""
    if occurrence is None:
        return None
    plan = occurrence.plan
    values = {
        "name": plan.name,
        "schedule": plan.schedule,
        "catch_up": plan.catch_up,
        "misfire_grace": _length(plan.misfire_grace),
        "jitter": _length(plan.jitter),
        "at": _count("at", occurrence.at),
        "previous": _count("previous", occurrence.previous),
        "made_up": occurrence.made_up,
        "paused": occurrence.paused,
    }
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def load_occurrence(text: str | None) -> Occurrence | None:
    """Read what `dump_occurrence` wrote; `ValueError` for anything else.

    What a newer version added to it is left out.
    """
    return None if text is None else _loaded(as_object(parsed(text)))


def _loaded(values: Mapping[str, Any]) -> Occurrence:
    grace, previous = values.get("misfire_grace"), values.get("previous")
    plan = Plan(
        name=as_text(values.get("name")),
        schedule=as_text(values.get("schedule")),
        catch_up=as_count(values.get("catch_up", 0)),
        misfire_grace=None if grace is None else _duration(grace),
        jitter=_duration(values.get("jitter", 0)),
    )
    return Occurrence(
        plan=plan,
        at=_instant(values.get("at")),
        previous=None if previous is None else _instant(previous),
        made_up=as_count(values.get("made_up", 0)),
        paused=as_flag(values.get("paused", False)),
    )


def _duration(found: object) -> timedelta:
    return timedelta(microseconds=as_count(found, most=2 * (LONGEST_DELAY // MICROSECOND)))


def _instant(found: object) -> datetime:
    return from_microseconds(as_count(found, least=FIRST_MICROSECOND, most=LAST_MICROSECOND))


def in_utc(occurrence: Occurrence) -> Occurrence:
    """Give it as it is read back: its instants may have been said in a schedule's time zone."""
    previous = occurrence.previous
    return evolve(
        occurrence,
        at=as_instant("at", occurrence.at),
        previous=None if previous is None else as_instant("previous", previous),
    )


def _length(duration: timedelta | None) -> int | None:
    return None if duration is None else duration // MICROSECOND


def _count(what: str, moment: datetime | None) -> int | None:
    return None if moment is None else to_microseconds(as_instant(what, moment))
