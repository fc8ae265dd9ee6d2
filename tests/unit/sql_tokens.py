"""SQL as a tree of tokens: enough of the language for the .sql files here, no more.

What is not known is refused: a proof about text that was half understood proves nothing.
"""

import re
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from attrs import field, frozen


class RefusedError(Exception):
    """A statement that cannot be shown to be right."""


@frozen
class Token:
    """One word, sign, string, number, parameter or ``{table}``; words in lower case."""

    kind: str
    text: str
    start: int = field(eq=False)
    end: int = field(eq=False)


@frozen
class Group:
    """What stands between two parentheses."""

    items: "tuple[Node, ...]"


Node: TypeAlias = Token | Group
Items: TypeAlias = tuple[Node, ...]

_TOKEN = re.compile(
    r"""
      (?P<space>\s+|--[^\n]*|collate\ "C")
    | (?P<string>'(?:[^']|'')*')
    | (?P<table>\{\w+\})
    | (?P<param>%\(\w+\)s|(?<!:):[a-z]\w*)
    | (?P<number>\d+(?:\.\d+)?(?!\w))
    | (?P<word>[A-Za-z_]\w*)(?!['"$])
    | (?P<sign>::|<=|>=|<>|\|\||@@|/(?!\*)|[-=<>+*.,()\[\]])
    """,
    re.VERBOSE,
)


def tokens(text: str) -> list[Token]:
    """Cut a statement into tokens; comments and space are left out.

    So is the collation of a name: by any, two names are equal or not.
    """
    found: list[Token] = []
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise RefusedError(f"unknown text: {text[place : place + 20]!r}")
        if match.lastgroup != "space":
            found.append(_token(match))
        place = match.end()
    return found


def _token(match: re.Match[str]) -> Token:
    kind, text = str(match.lastgroup), match[0]
    return Token(kind, text.lower() if kind == "word" else text, match.start(), match.end())


def tree(text: str) -> Items:
    """Give a statement with its parentheses as groups."""
    return _inside(iter(tokens(text)), closing=False)


def _inside(given: Iterator[Token], *, closing: bool) -> Items:
    items: list[Node] = []
    for token in given:
        if token.text == ")" and closing:
            return tuple(items)
        if token.text == ")":
            raise RefusedError("a parenthesis is closed that was not opened")
        items.append(Group(_inside(given, closing=True)) if token.text == "(" else token)
    if closing:
        raise RefusedError("a parenthesis is not closed")
    return tuple(items)


def word(node: Node) -> str:
    """Give the text of a word, and nothing for anything else."""
    return node.text if isinstance(node, Token) and node.kind == "word" else ""


def words(items: Items) -> Iterator[Token]:
    """Give all words, at any depth."""
    for node in items:
        if isinstance(node, Group):
            yield from words(node.items)
        elif node.kind == "word":
            yield node


def flat(items: Items) -> str:
    """Write items in one line, each token a space apart, to be compared with a pattern."""
    return " ".join(f"( {flat(n.items)} )" if isinstance(n, Group) else n.text for n in items)


def split(items: Items, separator: str) -> list[Items]:
    """Cut at each separator of this depth."""
    parts: list[list[Node]] = [[]]
    for node in items:
        if isinstance(node, Token) and node.text == separator and node.kind != "string":
            parts.append([])
        else:
            parts[-1].append(node)
    return [tuple(part) for part in parts]


def starts(items: Items, *wanted: str) -> bool:
    """Say whether these words come first."""
    return [word(node) for node in items[: len(wanted)]] == list(wanted)


def clauses(items: Items, keywords: Sequence[str]) -> list[tuple[str, Items]]:
    """Cut before each of these words of this depth; what stands before the first is refused."""
    found: list[tuple[str, list[Node]]] = []
    for node in items:
        if word(node) in keywords:
            found.append((word(node), []))
        elif not found:
            raise RefusedError(f"expected one of {keywords}: {flat(items)}")
        else:
            found[-1][1].append(node)
    return [(keyword, tuple(inside)) for keyword, inside in found]
