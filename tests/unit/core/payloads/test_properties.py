"""Properties: values of any annotation are read back equal, and any row is read or refused."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bgjobs._core.workers import Worker, worker
from bgjobs.errors import PayloadError, WorkerDefinitionError
from tests.unit.core.payloads.cases.calls import Call, anything, calls, damaged
from tests.unit.core.payloads.cases.classes import Branch, Leaf
from tests.unit.core.payloads.cases.samples import is_same


@worker
def plant(tree: Leaf | Branch, /, *rest: Leaf, **named: list[Branch]) -> None: ...


cheap = settings(derandomize=True, suppress_health_check=list(HealthCheck))


def declared(call: Call) -> Worker[..., object] | None:
    """Return the worker, or None if its annotations are refused with the parameter's name."""
    try:
        made: Worker[..., object] = worker(call.handler())
    except WorkerDefinitionError as error:
        refusal = str(error)
    else:
        assert made.takes_context == (call.context is not None)
        return made
    assert not call.is_sure, refusal
    names = tuple(f"parameter {name!r}" for name in call.signature.parameters)
    problems = refusal.removeprefix("worker 'handler': ").split("; ")
    assert all(one.startswith(names) for one in problems), refusal
    return None


def plain_path(path: str) -> str:
    """Return a path with keys written as fields, as the check of texts does."""
    return re.sub(r"\['([\w ]*)'\]", r".\1", path)


def is_told(problem: str, paths: tuple[str, ...]) -> bool:
    """Whether a problem is at one of the paths or below it."""
    found = plain_path(problem)
    return any(
        found.startswith(one) and found[len(one)] in ":.[ " for one in map(plain_path, paths)
    )


_PLACE = re.compile(r"\[[^\]]*\]")


def requested(made: Worker[..., object], call: Call) -> str | None:
    """Return the payload, or None if parts that do not fit are refused with their path."""
    args, kwargs = call.given()
    try:
        return made.request(*args, **kwargs).payload
    except PayloadError as error:
        problems = error.problems
    assert call.misfits, problems
    places = tuple(_PLACE.sub("[]", one) for one in call.misfits)
    assert all(
        is_told(one, call.misfits)
        # Errors of reading back have positions instead of keys.
        or ("could not be read back" in one and is_told(_PLACE.sub("[]", one), places))
        for one in problems
    ), problems
    return None


@settings(cheap, max_examples=300)
@given(calls)
def test_a_value_is_read_back_equal_or_refused(call: Call) -> None:
    made = declared(call)
    text = None if made is None else requested(made, call)
    if made is None or text is None:
        return
    args, kwargs = made.decode(text)
    found = call.bound(args, kwargs)
    expected = call.expected()
    assert all(is_same(one, found[name]) for name, one in expected.items()), (found, expected)
    assert made.request(*args, **kwargs).payload == text


@settings(cheap, max_examples=150)
@given(calls, st.data())
def test_a_damaged_row_is_read_or_refused(call: Call, data: st.DataObject) -> None:
    made = declared(call) if call.is_sure else None
    text = None if made is None else requested(made, call)
    if made is None or text is None:
        return
    row = data.draw(damaged(json.loads(text)))
    try:
        args, kwargs = made.decode(json.dumps(row))
    except PayloadError:
        return
    again = made.request(*args, **kwargs).payload
    found = made.decode(again)
    assert is_same((args, kwargs), (tuple(found[0]), found[1]))


@given(st.text(max_size=30) | anything.map(json.dumps))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        args, kwargs = plant.decode(text)
    except PayloadError:
        pass
    else:
        plant.request(*args, **kwargs)


def printed(seed: int, folder: Path) -> bytes:
    # Hypothesis draws constants of the project, which it caches in files of the project's
    # folder. Other processes write these files meanwhile, so each program has its own.
    storage = {"HYPOTHESIS_STORAGE_DIRECTORY": str(folder / str(seed))}
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.core.payloads.cases.calls"],
        env={**os.environ, **storage, "PYTHONHASHSEED": str(seed)},
        cwd=Path(__file__).parents[4],
        capture_output=True,
        check=True,
    )
    return done.stdout


def test_the_text_is_the_same_in_every_process(tmp_path: Path) -> None:
    first, second = (printed(seed, tmp_path) for seed in (1, 2))
    assert first.count(b"\n") >= 300
    assert first.count(b"{") > 200
    assert first == second
