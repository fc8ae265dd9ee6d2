"""How far a queue reserves ahead: as far as it is fast, and not at all where it is slow."""

from bgjobs._runtime.queues.pace import MOST_AHEAD, Pace


def paced(slots: int, *, finished: int, seconds: float, look: float) -> Pace:
    """Return the pace after this many jobs in this many seconds, and a look of `look` s."""
    pace = Pace(slots)
    pace.begin(0.0, 0)
    pace.begin(seconds, finished)
    pace.end(seconds + look)
    return pace


def test_slow_jobs_are_never_reserved_ahead() -> None:
    assert paced(10, finished=10, seconds=60.0, look=0.005).room == 10


def test_four_times_what_one_look_needs_is_reserved_ahead() -> None:
    assert paced(10, finished=1000, seconds=1.0, look=0.01).room == 10 + 40


def test_there_is_a_bound() -> None:
    assert paced(10, finished=1_000_000, seconds=1.0, look=1.0).room == 10 + MOST_AHEAD


def test_a_queue_that_was_idle_begins_without_any() -> None:
    pace = paced(10, finished=1000, seconds=1.0, look=0.01)
    pace.begin(1000.0, 1000)
    pace.end(1000.01)
    assert pace.room == 10


def test_a_clock_that_stands_still_means_nothing() -> None:
    pace = Pace(5)
    pace.begin(0.0, 0)
    pace.begin(0.0, 7)
    pace.end(0.0)
    assert pace.room == 5


def test_a_single_free_slot_is_worth_a_reservation_when_none_waits() -> None:
    assert Pace(10).should_reserve(unfinished=9, waiting=0)


def test_where_jobs_lie_ready_a_look_waits_until_a_quarter_is_free() -> None:
    pace = paced(10, finished=750, seconds=1.0, look=0.01)
    assert pace.room == 40
    assert not pace.should_reserve(unfinished=31, waiting=21)
    assert pace.should_reserve(unfinished=30, waiting=20)


def test_without_room_no_look_is_worth_it() -> None:
    assert not Pace(10).should_reserve(unfinished=10, waiting=0)
