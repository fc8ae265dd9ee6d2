"""What queues have done: `record_activity`, `activity`, `roll_up_activity`, `processes`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from bgjobs._core.activity import (
    HOUR,
    LENGTH,
    MINUTE,
    SUCCEEDED,
    Activity,
    MinuteTotals,
    ProcessReport,
    activity_of,
)
from bgjobs._core.ids import new_id
from bgjobs.stores.operations import OperatedStore
from bgjobs.testing.contract.steps import DAY, SECOND, at_once

BEGAN = datetime.fromisoformat("2026-03-29T00:00:00+00:00")
OWNER, OTHER = new_id(), new_id()


def totals(
    number: int, *, at: datetime = BEGAN, name: str = "mail", owner: UUID = OWNER
) -> MinuteTotals:
    """Return totals whose counts begin with `number` and go up by one each."""
    return MinuteTotals(at, name, owner, range(number, number + LENGTH))


def counted(*succeeded: int, at: datetime = BEGAN, name: str = "mail") -> Activity:
    """Return the activity of `totals` with these numbers together."""
    return activity_of(
        name, at, [sum(one + place for one in succeeded) for place in range(LENGTH)]
    )


def found(
    store: OperatedStore,
    last: timedelta = HOUR,
    step: timedelta = MINUTE,
    names: Sequence[str] | None = None,
) -> list[Activity]:
    """Return the activity up to an hour after `BEGAN`."""
    return list(store.operations.activity(last, step, names=names, now=BEGAN + HOUR))


def check_totals_are_returned_as_they_were_recorded(store: OperatedStore) -> None:
    """The counts of all owners are added up, by worker and minute."""
    rows = [
        totals(1),
        totals(20, owner=OTHER),
        totals(300, at=BEGAN + MINUTE),
        totals(4000, name="sms"),
    ]
    store.operations.record_activity(rows)
    assert found(store) == [
        counted(1, 20),
        counted(300, at=BEGAN + MINUTE),
        counted(4000, name="sms"),
    ]


def check_a_repeat_counts_once(store: OperatedStore) -> None:
    """Totals replace the earlier ones of the same minute, worker and owner."""
    store.operations.record_activity([totals(1), totals(5, owner=OTHER)])
    store.operations.record_activity([totals(2)])
    store.operations.record_activity([totals(2)])
    assert found(store) == [counted(2, 5)]


def check_no_totals_are_no_change(store: OperatedStore) -> None:
    """A call without totals and without a report does nothing."""
    store.operations.record_activity([])
    assert found(store) == []
    assert list(store.operations.processes(now=BEGAN)) == []


def check_activity_is_added_up_by_step(store: OperatedStore) -> None:
    """The time of a part is a multiple of the step."""
    rows = [totals(1, at=BEGAN + number * MINUTE) for number in (0, 14, 15, 59)]
    store.operations.record_activity(rows)
    quarter = 15 * MINUTE
    assert found(store, step=quarter) == [
        counted(1, 1),
        counted(1, at=BEGAN + quarter),
        counted(1, at=BEGAN + 3 * quarter),
    ]
    assert found(store, 20 * MINUTE, quarter) == [counted(1, at=BEGAN + 3 * quarter)]


def check_activity_of_some_workers(store: OperatedStore) -> None:
    """Other workers are left out."""
    store.operations.record_activity([totals(1, name=name) for name in ("a", "b", "c")])
    assert found(store, names=["c", "a", "unknown"]) == [
        counted(1, name="a"),
        counted(1, name="c"),
    ]
    assert found(store, names=[]) == []


def check_activity_ends_now(store: OperatedStore) -> None:
    """Rows of a process whose clock is ahead are left out until their time has come."""
    store.operations.record_activity([totals(1, at=BEGAN + 2 * HOUR)])
    assert found(store) == []


def check_large_counts(store: OperatedStore) -> None:
    """Counts of 2^31 and more are kept."""
    store.operations.record_activity([totals(2**40)])
    assert found(store) == [counted(2**40)]


def check_old_minutes_become_hours(store: OperatedStore) -> None:
    """Only those of hours that ended a day ago; all owners are added up."""
    rows = [
        totals(1),
        totals(2, at=BEGAN + 59 * MINUTE, owner=OTHER),
        totals(3, name="sms"),
        totals(4, at=BEGAN + HOUR),
    ]
    store.operations.record_activity(rows)
    before_then = BEGAN + DAY + HOUR - SECOND
    store.operations.roll_up_activity(now=before_then)
    assert len(_minutes(store, before_then)) == len(rows)
    store.operations.roll_up_activity(now=before_then + SECOND)
    store.operations.roll_up_activity(now=before_then + SECOND)
    assert _minutes(store, before_then + SECOND) == [
        counted(1, 2),
        counted(4, at=BEGAN + HOUR),
        counted(3, name="sms"),
    ]


def check_minutes_that_arrive_late_are_added(store: OperatedStore) -> None:
    """A process may write a minute after its hour was added up."""
    later = BEGAN + DAY + HOUR
    store.operations.record_activity([totals(1)])
    store.operations.roll_up_activity(now=later)
    store.operations.record_activity([totals(5, at=BEGAN + MINUTE)])
    store.operations.roll_up_activity(now=later)
    assert _minutes(store, later) == [counted(1, 5)]


def check_owners_are_added_up_after_two_hours(store: OperatedStore) -> None:
    """Each count is kept once, also of minutes that arrive late."""
    later = BEGAN + 2 * HOUR + SECOND
    rows = [totals(1), totals(2, owner=OTHER), totals(3, name="sms"), totals(4, at=later)]
    store.operations.record_activity(rows)
    for _ in range(2):
        store.operations.roll_up_activity(now=later)
    store.operations.record_activity([totals(5, owner=new_id())])
    store.operations.roll_up_activity(now=later)
    assert _minutes(store, later) == [
        counted(1, 2, 5),
        counted(4, at=later.replace(second=0)),
        counted(3, name="sms"),
    ]


def check_totals_of_two_hours_can_be_repeated(store: OperatedStore) -> None:
    """Owners are not added up before then."""
    rows = [totals(1), totals(2, owner=OTHER)]
    for _ in range(2):
        store.operations.record_activity(rows)
        store.operations.roll_up_activity(now=BEGAN + 2 * HOUR)
    assert _minutes(store, BEGAN + 2 * HOUR) == [counted(1, 2)]


def check_several_roll_up_at_once(store: OperatedStore) -> None:
    """Each minute is added up by one of them."""
    store.operations.record_activity(
        [totals(1, at=BEGAN + number * MINUTE) for number in range(60)]
    )
    later = BEGAN + DAY + HOUR
    at_once(lambda _: store.operations.roll_up_activity(now=later))
    [hour] = _minutes(store, later)
    assert hour == counted(*[1] * 60)
    assert hour.succeeded == 60 * (1 + SUCCEEDED)


def check_old_hours_are_deleted(store: OperatedStore) -> None:
    """Those that began longer ago than they are kept; None keeps all."""
    store.operations.record_activity([totals(1), totals(2, at=BEGAN + HOUR)])
    later = BEGAN + 9 * DAY + HOUR
    store.operations.roll_up_activity(now=later)
    assert len(_minutes(store, later)) == 2
    store.operations.roll_up_activity(9 * DAY, now=later)
    assert _minutes(store, later) == [counted(2, at=BEGAN + HOUR)]


def check_processes_are_returned_with_their_last_report(store: OperatedStore) -> None:
    """Until they are forgotten, in the order of their nodes."""
    first, second = _report("b:1", SECOND), _report("a:2")
    store.operations.record_activity([], first, now=BEGAN)
    store.operations.record_activity([totals(1)], second, now=BEGAN)
    store.operations.record_activity([], first, now=BEGAN + MINUTE)
    a, b = store.operations.processes(now=BEGAN + 2 * MINUTE)
    assert (a.id, a.node, a.version, a.python) == (second.id, "a:2", "1.0", "3.13")
    assert (a.started_at, a.loop_lag, a.silent_for) == (BEGAN, 0 * SECOND, 2 * MINUTE)
    assert (b.started_at, b.loop_lag, b.silent_for) == (BEGAN, SECOND, MINUTE)
    store.operations.forget_process(first.id)
    store.operations.forget_process(first.id)
    assert [one.node for one in store.operations.processes(now=BEGAN)] == ["a:2"]


def check_silent_processes_are_forgotten(store: OperatedStore) -> None:
    """After a day without a report."""
    store.operations.record_activity([], _report("a:1"), now=BEGAN)
    store.operations.roll_up_activity(now=BEGAN + DAY)
    assert len(store.operations.processes(now=BEGAN + DAY)) == 1
    store.operations.roll_up_activity(now=BEGAN + DAY + SECOND)
    assert list(store.operations.processes(now=BEGAN + DAY + SECOND)) == []


def _report(node: str, lag: timedelta = 0 * SECOND) -> ProcessReport:
    return ProcessReport(new_id(), node, "1.0", "3.13", lag)


def _minutes(store: OperatedStore, now: datetime) -> list[Activity]:
    """Return all activity up to `now`, by minute."""
    return list(store.operations.activity(now - BEGAN, MINUTE, now=now))
