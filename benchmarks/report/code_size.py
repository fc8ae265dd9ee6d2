"""The number of files and of lines of code, now and in a commit: ``nox -s size -- COMMIT``.

Lines of code are the lines without blank lines, comments and docstrings. A docstring is any
string that is a statement. Long files are those with many lines of any kind.
"""

import argparse
import ast
import io
import subprocess
import sys
import tarfile
import tokenize
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.report.figures import table

ROOT = Path(__file__).parents[2]
LONGEST = 400
"""The most lines of a file."""
LAYOUT = frozenset(
    {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
        tokenize.ENCODING,
    }
)
PARTS: Mapping[str, Callable[[str], bool]] = {
    "bgjobs": lambda path: path.startswith("bgjobs/"),
    "tests": lambda path: path.startswith("tests/"),
    "benchmarks": lambda path: path.startswith("benchmarks/"),
    "examples": lambda path: path.startswith("examples/"),
    "docs/*.py": lambda path: path.startswith("docs/") and path.endswith(".py"),
    "all": lambda _: True,
}


def python_code(text: str) -> int:
    """Return the number of lines of code in Python."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in LAYOUT:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and _is_text(node.value):
            lines.difference_update(range(node.lineno, (node.end_lineno or 0) + 1))
    return len(lines)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def sql_code(text: str) -> int:
    """Return the number of lines of code in SQL."""
    lines = (line.strip() for line in text.splitlines())
    return sum(bool(line) and not line.startswith("--") for line in lines)


COUNTERS: Mapping[str, Callable[[str], int]] = {".py": python_code, ".sql": sql_code}


def read_tree(root: Path = ROOT) -> dict[str, str]:
    """Return the text of each file of the working tree that git does not ignore, by path."""
    listed = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return {
        path: (root / path).read_text("utf-8")
        for path in sorted(set(listed.decode().split("\0")))
        if Path(path).suffix in COUNTERS and (root / path).is_file()
    }


def read_commit(commit: str, root: Path = ROOT) -> dict[str, str]:
    """Return the text of each file of a commit, by path.

    Raises:
        subprocess.CalledProcessError: Git does not know the commit.
    """
    archive = io.BytesIO(_git(root, "archive", commit))  # one call for all files
    with tarfile.open(fileobj=archive) as opened:
        return {
            member.name: _text(opened, member)
            for member in opened
            if member.isfile() and Path(member.name).suffix in COUNTERS
        }


def _text(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = archive.extractfile(member)
    return "" if file is None else file.read().decode()


def _git(root: Path, *arguments: str) -> bytes:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=root, check=True, capture_output=True).stdout


def long_files(texts: Mapping[str, str]) -> list[tuple[str, int]]:
    """Return the files of more than `LONGEST` lines with their lines, the longest first."""
    lines = {path: len(text.splitlines()) for path, text in texts.items()}
    found = [(path, count) for path, count in lines.items() if count > LONGEST]
    return sorted(found, key=lambda one: -one[1])


def report(trees: Mapping[str, Mapping[str, str]]) -> str:
    """Return a table of files and lines of code by part, and the long files of each tree.

    Args:
        trees: The texts by path, of each tree by its name.
    """
    code = {
        name: {path: COUNTERS[Path(path).suffix](text) for path, text in texts.items()}
        for name, texts in trees.items()
    }
    header = ["part", *(f"{name}: {what}" for name in trees for what in ("files", "code"))]
    rows = [
        [part, *(cell for counts in code.values() for cell in _cells(counts, belongs))]
        for part, belongs in PARTS.items()
    ]
    lists = [_list(name, long_files(texts)) for name, texts in trees.items()]
    return "\n\n".join([table(header, rows), *lists])


def _cells(counts: Mapping[str, int], belongs: Callable[[str], bool]) -> list[str]:
    found = [count for path, count in counts.items() if belongs(path)]
    return [f"{len(found):,}", f"{sum(found):,}"]


def _list(name: str, found: Sequence[tuple[str, int]]) -> str:
    lines = "".join(f"\n{count:6} {path}" for path, count in found)
    return f"{name}: {len(found)} files of more than {LONGEST} lines{lines}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report and return the exit code."""
    parser = argparse.ArgumentParser(prog="nox -s size --", description=__doc__)
    parser.add_argument("commits", nargs="*", metavar="COMMIT", help="counted, too")
    options = parser.parse_args(arguments)
    try:
        trees = {commit: read_commit(commit) for commit in options.commits}
    except subprocess.CalledProcessError as error:
        raise SystemExit(error.stderr.decode(errors="replace").strip()) from None
    print(report({**trees, "working tree": read_tree()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
