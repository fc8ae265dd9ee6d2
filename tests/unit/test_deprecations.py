"""Every deprecation of the package has a complete message, and is removed in time."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FUNCTIONS = {"deprecated", "warn_deprecated"}
MESSAGE = re.compile(
    r"bgjobs(?:\.\w+)+(?:\(\w+=\))? is deprecated since (\d+\.\d+)"
    r" and is removed in (\d+\.\d+): .+\."
)
LEAST = 2
"""How many minor releases a deprecated name stays at least."""


def messages(source: str) -> Iterator[str]:
    """Yield the message of each deprecation, or its code if it is no literal text."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in FUNCTIONS:
            [message] = node.args
            if isinstance(message, ast.Constant):
                yield str(message.value)
            else:
                yield ast.unparse(message)


def problem(message: str, current: str) -> str | None:
    """Return what is wrong with a deprecation in the current version, if anything."""
    match = MESSAGE.fullmatch(message)
    if match is None:
        return f"{message!r} does not match {MESSAGE.pattern!r}"
    since, removed, now = map(minor, (match[1], match[2], current))
    if removed <= now:
        return f"{message!r}: remove it, since this is {current}"
    if since > now:
        return f"{message!r} names a version after {current}"
    if removed[0] == since[0] and removed[1] - since[1] < LEAST:
        return f"{message!r} leaves users less than {LEAST} minor releases"
    return None


def minor(version: str) -> tuple[int, int]:
    major, minor, *_ = map(int, version.split("."))
    return major, minor


def test_every_deprecation_is_complete_and_removed_in_time() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    files = sorted((ROOT / "bgjobs").rglob("*.py"))
    found = [
        f"{file.relative_to(ROOT)}: {text}"
        for file in files
        if file.name != "deprecation.py"
        for message in messages(file.read_text("utf-8"))
        if (text := problem(message, project["version"])) is not None
    ]
    assert not found, "\n".join(["", *found])


SOURCE = """
@deprecated("bgjobs.old is deprecated since 0.2 and is removed in 0.4: use bgjobs.new.")
def old(value, former=None):
    if former is not None:
        warn_deprecated("bgjobs.old(former=) is deprecated since 0.2 and is removed in 0.4: "
                        "use value.")
"""


@pytest.mark.parametrize(
    ("current", "text"),
    [
        ("0.1.9", "names a version after 0.1.9"),
        ("0.2.0", None),
        ("0.3.12", None),
        ("0.4.0", "remove it, since this is 0.4.0"),
        ("1.0.0", "remove it, since this is 1.0.0"),
    ],
)
def test_a_deprecation_fails_from_the_version_that_removes_it(
    current: str, text: str | None
) -> None:
    found = [problem(message, current) for message in messages(SOURCE)]
    assert len(found) == 2
    assert all(one is None if text is None else text in str(one) for one in found)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (
            "'bgjobs.a is deprecated since 0.2 and is removed in 0.3: use b.'",
            "less than 2 minor",
        ),
        ("'bgjobs.a is deprecated since 0.2: use b.'", "does not match"),
        ("'bgjobs.a is deprecated since 0.2 and is removed in 0.4.'", "does not match"),
        ("'a is deprecated since 0.2 and is removed in 0.4: use b.'", "does not match"),
        ("TEXT", "'TEXT' does not match"),
    ],
)
def test_an_incomplete_message_is_found(code: str, text: str) -> None:
    [message] = messages(f"warn_deprecated({code})")
    assert text in str(problem(message, "0.2.0"))
