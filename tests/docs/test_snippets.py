"""Every Python block of the README and of docs/ is a program that runs.

A block of text right behind it is what it prints.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.documents import DOCUMENTS, ROOT, named

BLOCK = re.compile(
    r"^(?P<unrun><!-- no-run -->\n+)?```python\n(?P<code>.*?)^```$"
    r"(?:\n+```text\n(?P<printed>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
SHOWN = [path for path in DOCUMENTS if path.name == "README.md" or path.parent != ROOT]


def snippets() -> list[object]:
    found: list[object] = []
    for path in SHOWN:
        text = path.read_text("utf-8")
        for block in BLOCK.finditer(text):
            line = text.count("\n", 0, block.start("code")) + 1
            if not block["unrun"]:
                case = block["code"], block["printed"]
                found.append(pytest.param(*case, id=f"{named(path)}:{line}"))
    return found


@pytest.mark.parametrize(("code", "printed"), snippets())
def test_it_runs(code: str, printed: str | None, tmp_path: Path) -> None:
    program = tmp_path / "snippet.py"
    program.write_text(code, "utf-8")

    done = subprocess.run(
        [sys.executable, str(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert printed is None or done.stdout == printed


def test_the_readme_has_some() -> None:
    assert any("README.md" in str(one) for one in snippets())
