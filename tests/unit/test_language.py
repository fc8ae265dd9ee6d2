"""The language of the project: no words that readers have to guess the meaning of.

Checked are docstrings and comments of all Python files, other strings of the package (errors,
log lines, help), comments of SQL files, and the prose of Markdown files.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "docs" / "_build"

WORDS = {
    r"shall": "must, or the present tense",
    r"nobody|somebody|whoever|whomever|whosoever": "name the actor: process, handler, caller",
    r"no more(?! (?:\w+ )?than)": "no longer, or: no further",
    r"unless (?:\w+ )?(?:says?|said)(?: otherwise)?|says? otherwise": "by default, unless set",
    r"stands? in(?! for)": "is in",
    r"stands? with": "is beside, or: is tested by",
    r"(?:tell|tells|told|hear|hears|heard) of": "reports, receives, learns of",
    r"news": "notification",
    r"deaf": "does not receive notifications",
    r"(?:is|are) weather": "state the fact",
    r"in earnest": "in production, or leave it out",
    r"(?:go|goes|went|gone) down": "is committed, or: stops",
    r"(?:give|gives|gave|given|giving) back": "release, or: return",
    r"(?:hold|holds|held|holding) up(?! to)": "delay, block",
    r"the (?:dead|living)(?=[.,;:)]| (?:and|or|are|is|of|by|for|in)\b|$)": "dead owners",
    r"has it that": "state the fact",
    r"what (?:is|was) \w+ (?:is|was|are)": "name the thing",
    r"for want of": "because there is no",
    r"lest": "so that ... not",
}
"""Patterns of words to avoid, with what to write instead."""

OPENING = re.compile(
    r"(?:give|gives|say|says|tell|tells|let|lets|hold|holds|hear|hears)\b(?! up\b)",
    re.IGNORECASE,
)
"""What a docstring does not begin with: it returns, raises, writes, checks."""

_INSTEAD = list(WORDS.values())
_AVOIDED = re.compile(
    rf"\b(?:{'|'.join(f'({word})' for word in WORDS)})(?!\w)".replace(" ", r"\s+"),
    re.IGNORECASE,
)
_MARKDOWN_CODE = re.compile(r"^```.*?^```$|`[^`]*`|\]\([^)]*\)", re.MULTILINE | re.DOTALL)
_SQL_COMMENT = re.compile(r"(?:--[^\n]*(?:\n\s*(?=--))?)+|/\*.*?\*/", re.DOTALL)


class Text(NamedTuple):
    """A passage of prose, and the line of its file where it begins."""

    line: int
    words: str
    is_docstring: bool = False


def python_texts(source: str, *, with_strings: bool) -> Iterator[Text]:
    """Yield the docstrings and comments of a module, and optionally its other strings."""
    docstrings = set[int]()
    for node in ast.walk(ast.parse(source)):  # parents come before their children
        if isinstance(node, ast.Expr):
            docstrings.add(id(node.value))
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and (with_strings or id(node) in docstrings)
        ):
            yield Text(node.lineno, node.value, id(node) in docstrings)
    if _AVOIDED.search(source.replace("#", " ")):  # tokenizing all files takes ten seconds
        yield from python_comments(source)


def python_comments(source: str) -> Iterator[Text]:
    """Yield the comments of a module, those of consecutive lines as one."""
    first, lines = 0, list[str]()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            line = token.start[0]
            if lines and line != first + len(lines):
                yield Text(first, "\n".join(lines))
                lines = []
            first = first if lines else line
            lines.append(token.string.lstrip("#"))
    if lines:
        yield Text(first, "\n".join(lines))


def sql_texts(source: str) -> Iterator[Text]:
    for comment in _SQL_COMMENT.finditer(source):
        line = source.count("\n", 0, comment.start()) + 1
        yield Text(line, re.sub(r"^\s*--", "", comment[0], flags=re.MULTILINE))


def markdown_texts(source: str) -> Iterator[Text]:
    """Yield the prose of a page, with its lines but without code and the targets of links."""
    yield Text(1, _MARKDOWN_CODE.sub(lambda code: "\n" * code[0].count("\n"), source))


def texts_of(path: Path) -> Iterator[Text]:
    source = path.read_text("utf-8")
    if path.suffix == ".py":
        in_package = (ROOT / "bgjobs") in path.parents
        return python_texts(source, with_strings=in_package)
    return sql_texts(source) if path.suffix == ".sql" else markdown_texts(source)


def problems(text: Text) -> Iterator[tuple[int, str, str]]:
    """Yield the line of each word to avoid, the word, and what to write instead."""
    opening = OPENING.match(text.words)
    if text.is_docstring and opening:
        yield text.line, opening[0], "Return, Raise, Whether, or another verb"
    for found in _AVOIDED.finditer(text.words):
        line = text.line + text.words.count("\n", 0, found.start())
        yield line, " ".join(found[0].split()), _INSTEAD[(found.lastindex or 0) - 1]


def files_of(folder: str) -> Iterator[Path]:
    place = ROOT / folder
    found = place.glob("*") if folder == "." else place.rglob("*")
    for path in sorted(found):
        if path.suffix in (".py", ".sql", ".md") and BUILT not in path.parents:
            yield path


@pytest.mark.parametrize(
    "folder", [".", ".github", "bgjobs", "tests", "benchmarks", "examples", "docs", "typings"]
)
def test_texts_are_in_plain_english(folder: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {word!r}; write: {instead}"
        for path in files_of(folder)
        for text in texts_of(path)
        for line, word, instead in problems(text)
    ]
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize(
    ("kind", "source", "found"),
    [
        (".py", '"""Give the name."""\n', [(1, "Give")]),
        (".py", '"""Give up after a second."""\n', []),
        (".py", "x = 1\n# What waits\n# shall not fail.\n", [(3, "shall")]),
        (".py", "# It stands\n# in the file.\n", [(1, "stands in")]),
        (".py", 'raise ValueError("it is\\n" "for nobody")\n', [(2, "nobody")]),
        (".sql", "select 1; -- whoever\n-- holds up to ten\n", [(1, "whoever")]),
        (".md", "a\n\n```sh\nshall\n```\n\nno\nmore `nobody`\n", [(7, "no more")]),
        (".md", "No more than ten. See [this](shall.md).\n", []),
    ],
)
def test_a_word_to_avoid_is_found(kind: str, source: str, found: list[tuple[int, str]]) -> None:
    texts = {
        ".py": lambda: python_texts(source, with_strings=True),
        ".sql": lambda: sql_texts(source),
        ".md": lambda: markdown_texts(source),
    }[kind]()
    assert [(line, word) for text in texts for line, word, _ in problems(text)] == found
