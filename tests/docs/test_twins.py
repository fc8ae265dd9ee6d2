"""The tests that the page about the original library names exist."""

import re
from pathlib import Path

from bgjobs.testing import contract

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "coming-from" / "bg-jobs.md"
CONTRACT = Path(contract.__file__).parent


def defined(folder: Path, prefix: str) -> set[str]:
    """Return the rest of the names of functions with a prefix, in all modules of a folder."""
    pattern = re.compile(rf"^(?:async )?def {prefix}(\w+)", re.MULTILINE)
    modules = folder.rglob("*.py")
    return {name for module in modules for name in pattern.findall(module.read_text("utf-8"))}


def test_every_test_that_is_named_exists() -> None:
    named = set(re.findall(r"`test_(\w+)`", PAGE.read_text("utf-8")))
    assert len(named) > 40
    assert named - defined(ROOT / "tests", "test_") == set()


def test_every_check_of_the_contract_that_is_named_exists() -> None:
    named = set(re.findall(r"(?<!\*)\*(\w+_\w+)\*(?!\*)", PAGE.read_text("utf-8")))
    assert len(named) > 10
    assert named - defined(CONTRACT, "check_") == set()
