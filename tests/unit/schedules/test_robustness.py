"""Any input ends quickly, in a schedule or in a `ScheduleValidationError`."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.__main__ import main
from benchmarks.measures.schedules import CRONSIM, FRESH, ITERATING, RARE, measure
from bgjobs.errors import ScheduleValidationError
from bgjobs.schedules import Schedule, _masks, from_cron, from_text, hour, schedule
from bgjobs.schedules._masks import month_shape
from bgjobs.schedules.builder import ScheduleBuilder
from tests.unit.schedules.helpers import utc
from tests.unit.schedules.test_builder_problems import SKIPPED

NOW = utc("2026-01-05 10:00")
# Long enough for a busy machine, and short enough to find an endless loop.
SOON = settings(deadline=30_000, max_examples=200)
CRON_PARTS = st.sampled_from(
    [*"0123456789*/-,#LW?@ \t", "5L", "LW", "MON", "jan", "*/", "1-5", "31", "#5", " * ", " 2 "]
)
CRON_TEXTS = st.lists(CRON_PARTS, max_size=256).map(lambda parts: "".join(parts)[:256])
TEXT_PARTS = st.sampled_from(
    [
        *("elapsed", "fixed", "every ", "ms", " | ", " ", ",", "-", "=", "#", "L", "W", "|"),
        *("second=", "minute=", "hour=", "day=", "month=", "weekday=", "zone=", " zone=UTC"),
        *("0", "1", "5", "31", "59", "99", "1-5", "5-1", "7#5", "LW", "Europe/Paris", "٣"),
    ]
)


def answers(read: Callable[[str], Schedule], text: str) -> None:
    """Check the schedule that is read; any error other than the documented one propagates."""
    try:
        one = read(text)
    except ScheduleValidationError as error:
        refused = error
    else:
        assert isinstance(one, Schedule)
        assert one.next_after(NOW) > NOW
        assert from_text(one.text) == one
        return
    assert refused.problems
    assert str(refused).startswith("invalid schedule")


@SOON
@given(CRON_TEXTS | st.lists(CRON_TEXTS.map(lambda one: one[:12]), max_size=7).map(" ".join))
@example(",".join(["*"] * 120) + " * * * *")
@example("0 0 * * " + ",".join(["5#5"] * 62))
@example("*/1 " * 6)
@example("9" * 256)
@example("0 0 29 2 */" + "9" * 240)
def test_any_cron_text_is_answered(text: str) -> None:
    answers(from_cron, text)


@settings(SOON, max_examples=60)
@given(st.text(max_size=300))
def test_any_text_is_answered(text: str) -> None:
    answers(from_cron, text)
    answers(from_text, text)
    answers(lambda zone: from_cron("@daily", zone), text)


@SOON
@given(st.lists(TEXT_PARTS, max_size=30).map("".join))
@example("every 0ms")
@example("every 9999999999999999ms")
@example("elapsed second=5-1")
@example("elapsed second=60")
@example("elapsed weekday=0")
@example("fixed day=31 month=2")
@example("elapsed zone=")
@example("elapsed zone")
@example("elapsed minute=")
@example("elapsed minute=1=2")
@example("elapsed fixed")
@example("")
@example("elapsed | ")
@example("Elapsed")
@example(" elapsed")
def test_any_stored_text_is_answered(text: str) -> None:
    answers(from_text, text)


@SOON
@given(st.data())
def test_a_stored_text_with_an_accident_is_answered(data: st.DataObject) -> None:
    text = from_cron("*/15 3 L 6-8 1-5,5L", "Europe/Paris").text
    place = data.draw(st.integers(0, len(text)))
    junk = data.draw(st.characters(codec="utf-8") | TEXT_PARTS)
    cut = data.draw(st.integers(place, len(text)))
    answers(from_text, text[:place] + junk + text[cut:])


@pytest.mark.parametrize(
    "text",
    [
        "every 1ms | " * 8000,
        " | " * 30_000,
        "x " * 40_000,
        "elapsed second=" + ",".join(["1-59"] * 19_000),
        " | ".join(f"elapsed zone={'x' * 200}" for _ in range(400)),
        " | ".join(
            f"elapsed second={n} hour=2 month=3 weekday=7#2 zone=America/New_York"
            for n in range(60)
        ),
        "x" * 100_001,
        "x" * 10**7,
    ],
    ids=range(8),
)
@pytest.mark.timeout(20)
def test_a_huge_stored_text_is_answered(text: str) -> None:
    answers(from_text, text)


@SOON
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                sorted(name for name in dir(ScheduleBuilder) if not name.startswith("_"))
            ),
            st.lists(
                st.integers(-2, 70)
                | st.sampled_from(["monday", "last", "may", "UTC", "x", None, True, 1.5, ()]),
                max_size=3,
            ),
        ),
        max_size=12,
    )
)
def test_any_builder_is_answered(calls: list[tuple[str, list[object]]]) -> None:
    said = schedule()
    for name, values in calls:
        if name != "build":
            try:
                said = getattr(said, name)(*values)
            except TypeError:  # wrong number of arguments
                continue
    answers(lambda _: said.build(), "")


def test_two_thousand_times_of_the_day_become_a_few_calendars() -> None:
    random = Random(1)
    said = schedule()
    times = {(random.randrange(24), random.randrange(60)) for _ in range(2000)}
    for at, minute in sorted(times):
        said = said.at(at, minute)  # type: ignore[arg-type]
    one = said.build()
    assert len(one.text.split(" | ")) <= 60
    found = one.occurrences(utc("2026-01-04 23:59"), utc("2026-01-05 23:59"))
    assert [(one.hour, one.minute) for one in found] == sorted(times)


class Looks:
    """Counts the months that searches examine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        monkeypatch.setattr(_masks, "month_shape", self.shape)

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
    # Measured alternately in one process, the best of three.
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
