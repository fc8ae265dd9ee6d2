"""When a file is looked at again: soon enough, and not too often."""

from math import inf

import pytest

from bgjobs.stores.sqlite.pace import HORIZON, LONGEST, SHORTEST, Pace, Pause

REST = Pause(None, listening=True)
WRITTEN = 1000.0
"""When a file is written that had been at rest."""


def at_rest(until: float) -> Pace:
    """A pace whose file was last written long before."""
    pace = Pace()
    pace.after(until - 60, written=True, news=False)
    assert pace.after(until - 40, written=False, news=False) == REST
    return pace


def looks(pace: Pace, *, news: bool = False) -> list[float]:
    """How long after a write the looks are that find nothing more."""
    found = [0.0]
    pause = pace.after(WRITTEN, written=True, news=news)
    while pause.seconds is not None:
        found.append(found[-1] + pause.seconds)
        pause = pace.after(WRITTEN + found[-1], written=False, news=False)
    return found


@pytest.mark.parametrize("ended", [0.0, 0.0001, 0.001, 0.003, 0.02, 0.3, 5.0, HORIZON])
def test_a_commit_is_found_soon_after_its_end(ended: float) -> None:
    found = next(look for look in looks(at_rest(WRITTEN)) if look >= ended)
    assert found - ended <= max(SHORTEST, ended / 4) * 1.001


def test_looks_end_when_no_commit_can_be_on_its_way() -> None:
    unseen, seen = looks(at_rest(WRITTEN)), looks(at_rest(WRITTEN), news=True)
    assert unseen[-1] > HORIZON
    assert seen[-1] > HORIZON
    assert len(unseen) < 50
    assert len(seen) < 12


def test_a_commit_that_ends_without_another_write_ends_the_looks() -> None:
    pace = at_rest(WRITTEN)
    pace.after(WRITTEN, written=True, news=False)
    pause = pace.after(WRITTEN + SHORTEST, written=False, news=True)
    assert pace.resting
    assert pause.seconds is not None
    later = WRITTEN + SHORTEST + pause.seconds
    assert pace.after(later, written=False, news=False) == REST


def test_a_commit_beside_other_writes_does_not() -> None:
    pace = at_rest(WRITTEN)
    pace.after(WRITTEN, written=True, news=True)
    assert not pace.resting
    assert pace.after(WRITTEN + LONGEST, written=False, news=False).seconds is not None


@pytest.mark.parametrize("news", [False, True])
def test_a_file_that_is_written_all_the_time_is_looked_at_rarely(*, news: bool) -> None:
    pace, now, number = at_rest(WRITTEN), WRITTEN, 0
    while now < WRITTEN + 1:
        pause = pace.after(now, written=True, news=news)
        assert not pause.listening, "else each write would be a look"
        now += pause.seconds or inf
        number += 1
    assert number < 1 / LONGEST + 20


def test_when_it_was_quiet_the_next_write_is_followed_closely_again() -> None:
    pace, now = at_rest(WRITTEN), WRITTEN
    while now < WRITTEN + 1:
        now += pace.after(now, written=True, news=True).seconds or inf
    while not pace.after(now, written=False, news=False).listening:
        now += LONGEST
    pause = pace.after(now + LONGEST, written=True, news=False)
    assert pause == Pause(SHORTEST, listening=False)
