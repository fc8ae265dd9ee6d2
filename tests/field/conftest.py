"""Tests on servers of Debian, which ``nox -s field`` runs.

What a test measures is printed at the end of the session.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

_MEASURED = "measured"


@pytest.fixture
def measured(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> Callable[[str, float], None]:
    """Record how many seconds something took, for the summary of the session."""

    def note(what: str, seconds: float) -> None:
        record_property(_MEASURED, f"{seconds:6.2f} s  {what}  {request.node.name}")

    return note


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the measurements of all tests."""
    lines = sorted(_noted(terminalreporter.stats))
    if lines:
        terminalreporter.section("measured")
    for line in lines:
        terminalreporter.write_line(line)


def _noted(stats: dict[str, list[Any]]) -> Iterator[str]:
    for reports in stats.values():
        for report in reports:
            if getattr(report, "when", None) == "call":
                properties = getattr(report, "user_properties", ())
                yield from (text for name, text in properties if name == _MEASURED)
