"""Which occurrence a job serves, as the JSON text that both databases keep in one column."""

import json
import logging
from datetime import datetime, timedelta
from typing import Any

from attrs import evolve

from bgjobs.instants import MICROSECOND, as_instant, from_microseconds, to_microseconds
from bgjobs.occurrences import Occurrence, Plan

_log = logging.getLogger("bgjobs.stores")


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
    """Read what `dump_occurrence` wrote; None, with a warning, when it cannot be read.

    Such a job runs once, like one that was enqueued by hand, and its scheduled job is planned
    anew: one row, of another version perhaps, must not keep a queue from all the others.
    """
    if text is None:
        return None
    try:
        return _loaded(json.loads(text))
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        _log.warning("the occurrence of a job cannot be read (%s)", type(error).__name__)
        return None


def _loaded(values: dict[str, Any]) -> Occurrence:
    grace, previous = values.get("misfire_grace"), values.get("previous")
    plan = Plan(
        name=values["name"],
        schedule=values["schedule"],
        catch_up=values.get("catch_up", 0),
        misfire_grace=None if grace is None else timedelta(microseconds=grace),
        jitter=timedelta(microseconds=values.get("jitter", 0)),
    )
    return Occurrence(
        plan=plan,
        at=from_microseconds(values["at"]),
        previous=None if previous is None else from_microseconds(previous),
        made_up=values.get("made_up", 0),
        paused=values.get("paused", False),
    )


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
