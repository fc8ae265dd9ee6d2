"""Exported lines are read back; other lines are refused without being quoted."""

import json
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bgjobs._core.jobs import LARGEST_COUNT, AttemptError, FailedJob
from bgjobs._core.occurrences import Occurrence, Recurrence
from bgjobs._core.text import is_visible
from bgjobs.stores.columns import FAILED
from bgjobs.stores.imports import LONGEST_LINE, from_line, to_line
from tests.unit.stores.histories import COUNTERS, INSTANTS, RESERVATION, TEXTS
from tests.unit.stores.lines import JOB, NOW, SECRET, VALUES, WHOLE, line, refused

RUN = Occurrence(recurrence=Recurrence(name="nightly", schedule="every 1000ms"), at=NOW)


def run(**changes: object) -> str:
    """Return the text of an occurrence with other values."""
    values = json.loads(json.loads(to_line(scheduled(RUN)))["occurrence"])
    return json.dumps({**values, **changes})


def scheduled(occurrence: Occurrence) -> FailedJob:
    """Return the failed run of a schedule, as a database has it."""
    return evolve(JOB, occurrence=occurrence, unique_key=occurrence.recurrence.unique_key)


NAMES = TEXTS.filter(bool)
PRINTABLE = NAMES.filter(str.isprintable)
SPANS = st.timedeltas(timedelta(0), timedelta(days=36_500))
OCCURRENCES = st.builds(
    Occurrence,
    recurrence=st.builds(
        Recurrence,
        name=PRINTABLE,
        schedule=NAMES,
        catch_up=COUNTERS,
        misfire_grace=st.none() | SPANS,
        jitter=SPANS,
    ),
    at=INSTANTS,
    previous=st.none() | INSTANTS,
    made_up=COUNTERS,
    paused=st.booleans(),
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
PAYLOADS = st.dictionaries(
    TEXTS, st.recursive(LEAVES, lambda one: st.lists(one) | st.dictionaries(TEXTS, one))
)
KEYS = st.none() | NAMES.filter(is_visible).filter(lambda one: not one.startswith("schedule:"))


@st.composite
def jobs(draw: st.DrawFn) -> FailedJob:
    """Make failed jobs that requests and runs can have become."""
    occurrence = draw(st.none() | OCCURRENCES)
    is_run = draw(st.booleans())
    return FailedJob(
        id=draw(st.uuids()),
        name=draw(NAMES),
        payload=json.dumps(draw(PAYLOADS), ensure_ascii=False),
        priority=draw(st.integers(-32_767, 32_767)),
        attempts=draw(COUNTERS),
        crashes=draw(COUNTERS),
        interruptions=draw(COUNTERS),
        reservations=draw(COUNTERS),
        created_at=draw(INSTANTS),
        available_at=draw(INSTANTS),
        reserved_at=draw(INSTANTS) if is_run else None,
        reserved_by=draw(st.uuids()) if is_run else None,
        unique_key=draw(KEYS) if occurrence is None else occurrence.recurrence.unique_key,
        errors=draw(
            st.lists(
                st.builds(AttemptError, COUNTERS, INSTANTS, TEXTS, st.none() | INSTANTS),
                max_size=20,
            ).map(tuple)
        ),
        occurrence=occurrence,
        metadata=draw(st.dictionaries(NAMES.filter(is_visible), TEXTS, max_size=5)),
        error=draw(TEXTS),
        failed_at=draw(INSTANTS),
    )


@given(jobs())
def test_an_exported_job_is_read_back(job: FailedJob) -> None:
    assert from_line(to_line(job), 1) == job


def test_the_longest_of_all_that_a_job_may_have_is_read_back() -> None:
    long = "\x01" * 8_192
    text = '"' * ((1_048_576 - 20) // 2)
    entry = evolve(RESERVATION, queue=long[:200], node=long[:1_000])
    job = evolve(
        JOB,
        name="n" * 200,
        payload=json.dumps({"a": text}),
        unique_key="k" * 200,
        errors=(AttemptError(LARGEST_COUNT, NOW, long, NOW),) * 20,
        metadata={"k": "\x01" * 3_999},
        history=(entry,) * 100,
        error=long,
    )
    found = to_line(job)
    assert len(found) > LONGEST_LINE // 2
    assert from_line(found, 1) == job


PRIORITY = "priority: expected a whole number from -32,767 to 32,767, found"
INSTANT = "expected an instant with a time zone, from the year 1 to 9999, found other text"
COUNTERS_OF_A_JOB = ("attempts", "crashes", "interruptions", "reservations")
INSTANTS_OF_A_JOB = ("created_at", "available_at", "reserved_at", "failed_at")
DEEP = "[" * 100_000


@pytest.mark.parametrize("field", COUNTERS_OF_A_JOB)
@pytest.mark.parametrize(
    ("value", "found"),
    [
        (-1, "another number"),
        (LARGEST_COUNT + 1, "another number"),
        (2**31 - 1, "another number"),
        (10**30, "another number"),
        (1.0, "another number"),
        (True, "bool"),
        ("1", "str"),
        (None, "none"),
        ([1], "list"),
    ],
)
def test_a_counter_is_a_whole_number_within_bounds(field: str, value: Any, found: str) -> None:
    assert refused(line(**{field: value})) == f"{field}: {WHOLE} {found}"


@pytest.mark.parametrize("field", INSTANTS_OF_A_JOB)
@pytest.mark.parametrize(
    "value",
    [
        SECRET,
        "2030-01-02T03:04:05",
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:59:59-05:00",
        "10000-01-01T00:00:00+00:00",
        "infinity",
        "",
    ],
)
def test_an_instant_has_a_zone_and_a_year(field: str, value: str) -> None:
    assert refused(line(**{field: value})) == f"{field}: {INSTANT}"
    assert refused(line(**{field: 5})) == f"{field}: expected str, found int"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"format": 2}, "format: expected 1, found another one"),
        ({"format": True}, "format: expected 1, found another one"),
        ({"format": ...}, "format: expected 1, found another one"),
        ({"name": ...}, "name: expected a value, found none"),
        ({"name": ""}, "name: expected 1 to 200 characters, found 0"),
        ({"name": "n" * 201}, "name: expected 1 to 200 characters, found 201"),
        ({"name": [1]}, "name: expected str, found list"),
        ({"name": "a\0b"}, "name: expected text without NUL and lone surrogates, found one"),
        ({"id": SECRET}, "id: expected a UUID, found other text"),
        ({"id": 5}, "id: expected str, found int"),
        ({"payload": {}}, "payload: expected str, found dict"),
        ({"payload": SECRET}, "payload: expected JSON, found other text"),
        ({"payload": '{"a":NaN}'}, "payload: expected JSON, found NaN"),
        (
            {"payload": json.dumps({"a": "x" * 1_048_576})},
            "payload: expected at most 1,048,576 bytes of JSON, found 1,048,585",
        ),
        ({"payload": "[" * 65 + "]" * 65}, "payload: nested deeper than 64 levels"),
        ({"payload": DEEP}, "payload: nested deeper than 64 levels"),
        (
            {"payload": "\ud800"},
            "payload: expected text without NUL and lone surrogates, found one",
        ),
        ({"priority": 32_768}, f"{PRIORITY} another number"),
        ({"priority": True}, f"{PRIORITY} bool"),
        ({"unique_key": ""}, "unique_key: expected 1 to 200 characters, found 0"),
        ({"unique_key": "k" * 5_000}, "unique_key: expected 1 to 200 characters, found 5,000"),
        ({"unique_key": "a\x1bb"}, "unique_key: expected printable characters, found others"),
        ({"unique_key": "a\u115fb"}, "unique_key: expected printable characters, found others"),
        (
            {"unique_key": f"schedule:{SECRET}"},
            (
                "unique_key: expected a key that is not a scheduled job's, "
                "found one that begins 'schedule:'"
            ),
        ),
        (
            {"unique_key": "schedule:other", "occurrence": run()},
            (
                "unique_key: expected a key that is not a scheduled job's, "
                "found one that begins 'schedule:'"
            ),
        ),
        ({"errors": {}}, "errors: expected a list, found dict"),
        ({"errors": VALUES["errors"] * 11}, "errors: expected at most 20, found 22"),
        ({"errors": [5]}, "errors: [0]: expected a list, found int"),
        ({"errors": [[1]]}, "errors: [0]: expected 3 or 4 values, found 1"),
        (
            {"errors": [VALUES["errors"][0], [True, "x", "y", None]]},
            f"errors: [1]: {WHOLE} bool",
        ),
        ({"errors": [[1, SECRET, "y"]]}, f"errors: [0]: {INSTANT}"),
        (
            {"errors": [[1, NOW.isoformat(), "y" * 8_193]]},
            "errors: [0]: expected at most 8,192 characters, found 8,193",
        ),
        ({"error": "y" * 8_193}, "error: expected at most 8,192 characters, found 8,193"),
        ({"error": "\0"}, "error: expected text without NUL and lone surrogates, found one"),
        ({"metadata": []}, "metadata: expected an object, found list"),
        (
            {"metadata": {f"{SECRET}\x1b": ""}},
            "metadata: expected keys of printable characters, found others",
        ),
        ({"metadata": {SECRET: 5}}, "metadata: expected str, found int"),
        ({"metadata": {"": "x"}}, "metadata: expected 1 to 200 characters, found 0"),
        (
            {"metadata": {SECRET: "\0"}},
            "metadata: expected text without NUL and lone surrogates, found one",
        ),
        (
            {"metadata": {"k": "x" * 5_000_000}},
            "expected at most 4,194,304 characters, found more",
        ),
        (
            {"metadata": {"k": "x" * 4_000}},
            "metadata: expected at most 4,000 characters, found 4,001",
        ),
        (
            {"reserved_at": None},
            "expected both of reserved_at and reserved_by or neither, found one",
        ),
        (
            {"reserved_by": None},
            "expected both of reserved_at and reserved_by or neither, found one",
        ),
        ({"reserved_by": SECRET}, "reserved_by: expected a UUID, found other text"),
        ({"occurrence": "x" * 65_537}, "occurrence: expected at most 65,536 bytes, found more"),
        ({"occurrence": {}}, "occurrence: expected str, found dict"),
        (
            {"occurrence": DEEP[:60_000]},
            "occurrence: expected the text of a JSON object, found one nested too deeply",
        ),
        (
            {"occurrence": "[]"},
            "occurrence: expected the text of a JSON object, found something else",
        ),
        ({"occurrence": "{}"}, "occurrence: name: expected a value, found none"),
        ({"occurrence": run(name=[1])}, "occurrence: name: expected str, found list"),
        (
            {"occurrence": run(name="a\nb")},
            "occurrence: name: expected printable characters, found others",
        ),
        ({"occurrence": run(schedule=5)}, "occurrence: schedule: expected str, found int"),
        ({"occurrence": run(catch_up="1")}, f"occurrence: catch_up: {WHOLE} str"),
        ({"occurrence": run(made_up=-1)}, f"occurrence: made_up: {WHOLE} another number"),
        (
            {"occurrence": run(paused=1)},
            "occurrence: paused: expected true or false, found int",
        ),
        (
            {"occurrence": run(jitter=-1)},
            (
                "occurrence: jitter: expected a whole number from 0 to 3,153,600,000,000,000, "
                "found another number"
            ),
        ),
        (
            {"occurrence": run(at=2**61)},
            (
                "occurrence: at: expected an instant with a time zone, "
                "from the year 1 to 9999, found one beyond"
            ),
        ),
    ],
)
def test_a_value_that_is_invalid_in_a_request_is_refused(
    changes: dict[str, Any], problem: str
) -> None:
    found = refused(line(**changes))
    assert found.startswith(problem)
    assert SECRET not in found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (SECRET, "expected a JSON object, found something else"),
        ("[]", "expected a JSON object, found something else"),
        ("5", "expected a JSON object, found something else"),
        (DEEP, "expected a JSON object, found one nested too deeply"),
        ('{"a":' * 100_000, "expected a JSON object, found one nested too deeply"),
        ('{"format":1,"format":1}', "expected each name once in an object, found one twice"),
        ('{"format":NaN}', "expected JSON, found NaN"),
        ('{"format":-Infinity}', "expected JSON, found -Infinity"),
        (
            line().replace('"attempts": 2', '"attempts": 1e400'),
            f"attempts: {WHOLE} another number",
        ),
        (
            line().replace('"attempts": 2', f'"attempts": {"9" * 5_000}'),
            f"attempts: {WHOLE} another number",
        ),
        (
            line().replace('"trace": "1"', '"trace": "1", "trace": "2"'),
            "expected each name once in an object, found one twice",
        ),
        (
            line(occurrence=run()[:-1] + ', "at": 5}'),
            "occurrence: expected each name once in an object, found one twice",
        ),
        ("x" * (LONGEST_LINE + 1), "expected at most 4,194,304 characters, found more"),
        (line().replace("mail", "m\udcffil"), "name: expected text without NUL"),
    ],
)
def test_an_invalid_line_is_refused(text: str, problem: str) -> None:
    assert refused(text).startswith(problem)


def test_a_line_that_is_too_long_is_not_parsed() -> None:
    assert refused("[" * 50_000_000) == "expected at most 4,194,304 characters, found more"


def test_the_failed_run_of_a_schedule_is_read_back() -> None:
    job = scheduled(RUN)
    assert from_line(to_line(job), 1) == job


def test_an_error_of_an_earlier_version_tells_no_reservation() -> None:
    job = from_line(line(errors=[[1, NOW.isoformat(), "no"]]), 1)
    assert job.errors == (AttemptError(1, NOW, "no"),)


def test_a_line_has_all_columns_of_a_failed_job() -> None:
    assert [*VALUES] == ["format", *FAILED]
