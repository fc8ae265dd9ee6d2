"""The counter of lines of code."""

import subprocess
from pathlib import Path

import pytest

from benchmarks.report.code_size import (
    LONGEST,
    long_files,
    main,
    python_code,
    read_commit,
    read_tree,
    report,
    sql_code,
)

PYTHON = '''\
"""A module docstring
of two lines."""

# A comment.
import os  # a comment behind code counts as code


class One:
    """A docstring."""

    two: int = 2
    """A docstring of a field."""

    def three(self) -> str:
        """A docstring."""
        return """a text

        is code"""


print(
    # a comment in brackets
    One(),

)
'''
SQL = """\
-- a comment
select a, -- a comment behind code counts as code
    '--' as dashes

from b
    -- an indented comment
"""


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (PYTHON, 10),
        ("", 0),
        ('"""Only a docstring."""\n', 0),
        ('f"""\n{1}\n"""\n', 3),
    ],
)
def test_comments_docstrings_and_blank_lines_are_not_code(text: str, code: int) -> None:
    assert python_code(text) == code


def test_comments_and_blank_lines_are_not_code_in_sql() -> None:
    assert sql_code(SQL) == 3


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit, whose working tree has been changed since."""
    files = {
        ".gitignore": "built/\n",
        "bgjobs/one.py": "a = 1\nb = 2\n",
        "bgjobs/deleted.sql": "select 1\n",
        "bgjobs/notes.md": "text\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    for arguments in (("init", "-q"), ("add", "."), (*identity, "commit", "-qm", "first")):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    (tmp_path / "bgjobs/deleted.sql").unlink()
    (tmp_path / "bgjobs/one.py").write_text("a = 1\n")
    (tmp_path / "built").mkdir()
    (tmp_path / "built" / "ignored.py").write_text("c = 3\n")
    (tmp_path / "new.py").write_text("# nothing\n")
    return tmp_path


def test_a_commit_and_the_working_tree_are_read(repository: Path) -> None:
    first = {"bgjobs/deleted.sql": "select 1\n", "bgjobs/one.py": "a = 1\nb = 2\n"}
    assert read_commit("HEAD", repository) == first
    assert read_tree(repository) == {"bgjobs/one.py": "a = 1\n", "new.py": "# nothing\n"}


def test_the_report_counts_by_part_and_names_long_files() -> None:
    texts = {
        "bgjobs/a.py": "a = 1\n" * LONGEST,
        "bgjobs/b.sql": "-- b\n" * LONGEST + "select 1\n",
        "docs/conf.py": "#\n" * (LONGEST + 2),
        "docs/roles.sql": "select 1\n",
    }
    text = report({"HEAD": texts})
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    assert ["bgjobs", "2", "401"] in cells
    assert ["docs/*.py", "1", "0"] in cells
    assert ["all", "4", "402"] in cells
    assert long_files(texts) == [("docs/conf.py", 402), ("bgjobs/b.sql", 401)]
    assert "HEAD: 2 files of more than 400 lines" in text


def test_an_unknown_commit_is_named() -> None:
    with pytest.raises(SystemExit, match="no-such-commit"):
        main(["no-such-commit"])
