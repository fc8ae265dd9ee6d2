"""A search looks at each month once, and at no day; so it is quick, which is counted here."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.measures.schedules import CRONSIM, FRESH, ITERATING, RARE, measure
from bgjobs.errors import ScheduleValidationError
from bgjobs.schedules import Schedule, from_cron, hour, schedule, search
from bgjobs.schedules.calendar_days import month_shape
from tests.unit.schedules.listing import utc
from tests.unit.schedules.test_builder_faults import SKIPPED


class Looks:
    """Counts the months that searches look at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        monkeypatch.setattr(search, "month_shape", self.shape)

    def shape(self, year: int, month: int) -> tuple[int, int]:
        self.count += 1
        return month_shape(year, month)

    def of(self, one: Schedule, start: datetime) -> int:
        self.count = 0
        one.next_after(start)
        return self.count


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    return Looks(monkeypatch)


@pytest.mark.parametrize("one", RARE.values(), ids=list(RARE))
@pytest.mark.parametrize("year", [2026, 2044, 2072, 2096])
def test_the_rarest_days_are_found_with_one_look_a_year(
    looks: Looks, one: Schedule, year: int
) -> None:
    start = utc(f"{year}-03-01")
    years = one.next_after(start).year - year
    assert years <= 40
    assert looks.of(one, start) <= years + 1  # the local year may be another


@pytest.mark.parametrize(
    ("text", "months"),
    [
        ("* * * * *", 1),
        ("*/7 * * * *", 1),
        ("* * * * * *", 1),
        ("59 23 31 * *", 2),
        ("59 23 31 12 *", 1),
        ("59 59 23 31 12 *", 1),
        ("0 0 1 1 *", 1),
    ],
)
def test_an_ordinary_search_looks_at_a_month_or_two(
    looks: Looks, text: str, months: int
) -> None:
    assert looks.of(from_cron(text), utc("2026-02-03 10:00")) <= months


def test_a_time_that_is_always_skipped_is_looked_for_in_400_years(looks: Looks) -> None:
    looks.count = 0
    with pytest.raises(ScheduleValidationError):
        SKIPPED.build()
    assert looks.count <= 3 * 400


def test_the_next_of_ten_unlike_schedules_costs_ten_looks(looks: Looks) -> None:
    several = [schedule().at(hour(number), 30).build() for number in range(10)]
    united = several[0]
    for one in several[1:]:
        united |= one
    assert looks.of(united, utc("2026-02-03 00:00")) <= 10


def test_a_mixed_set_is_not_slower_than_cronsim() -> None:
    # Measured by turns in one process, the best of three; it is about five times as fast.
    ratios = measure(rounds=3, calls=10, schedules=60).ratios
    assert ratios[CRONSIM, ITERATING] > 1
    assert ratios[CRONSIM, FRESH] > 1


def test_the_benchmark_runs_and_writes_its_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "figures.json"
    code = main(["schedules", "--rounds", "1", "--calls", "1", "--json", str(file)])
    assert code == 0
    assert "29 February on a Monday" in capsys.readouterr().out
    rows = json.loads(file.read_text())["rows"]
    assert {row["measure"] for row in rows} == {ITERATING, FRESH}
    assert {row["system"] for row in rows} >= {"bgjobs", "cronsim"}
