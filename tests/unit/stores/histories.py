"""Histories of jobs for the tests of the texts in which they are kept."""

from datetime import UTC, datetime, timedelta, timezone
from typing import get_args
from uuid import UUID

from hypothesis import strategies as st

from bgjobs._core.history import EndOfReservation, PastEnd, PastReservation
from bgjobs._core.jobs import LARGEST_COUNT

AT = datetime(2030, 1, 1, microsecond=5, tzinfo=UTC)
LATER = datetime(2030, 1, 2, tzinfo=UTC)
RESERVATION = PastReservation(
    number=3,
    owner=UUID(int=7),
    queue="mails",
    node="host 7",
    attempt=2,
    reserved_at=AT,
    ended_at=LATER,
    ended="snoozed",
)
END = PastEnd(state="cancelled", at=AT, text="no", by="ada", retried_at=LATER, retried_by="bob")

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=50)
COUNTERS = st.integers(0, LARGEST_COUNT)
ZONES = st.integers(-720, 840).map(lambda one: timezone(timedelta(minutes=one)))
INSTANTS = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=ZONES).map(  # noqa: DTZ001 - hypothesis wants naive bounds
    lambda one: one.astimezone(UTC)
)
ENTRIES = st.builds(
    PastReservation,
    number=COUNTERS,
    owner=st.uuids(),
    queue=TEXTS,
    node=TEXTS,
    attempt=COUNTERS,
    reserved_at=INSTANTS,
    ended_at=INSTANTS,
    ended=st.sampled_from(get_args(EndOfReservation)),
) | st.builds(
    PastEnd,
    state=st.sampled_from(["failed", "cancelled"]),
    at=INSTANTS,
    text=TEXTS,
    by=st.none() | TEXTS,
    retried_at=INSTANTS,
    retried_by=st.none() | TEXTS,
)
