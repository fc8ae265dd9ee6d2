"""Checks of markup: what it consists of, and what a reader sees of it."""

import re
from html.parser import HTMLParser
from pathlib import Path

from attrs import define, field

import bgjobs
from tests.security.corpus import NAMES

STYLES = (Path(bgjobs.__file__).parent / "web" / "static" / "present.css").read_text("utf-8")
CLASSES = frozenset(re.findall(r"\.([a-z][a-z0-9-]*)", STYLES))
ELEMENTS = frozenset(
    re.findall(
        r"\w+",
        "a bdi data dd details div dl dt figcaption figure li p path pre span summary svg "
        "table tbody td text th thead time title tr ul",
    )
)
_NUMBER = r"-?[0-9]+(\.[0-9]+)?"
ATTRIBUTES = {
    "aria-hidden": r"true",
    "class": r"[a-z0-9 -]+",
    "d": r"[MLVHhvlmaz0-9 .-]+",
    "datetime": r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z",
    "href": r"/jobs/[0-9a-f-]{36}",
    "open": r"",
    "role": r"img|group",
    "scope": r"col",
    "text-anchor": r"start|middle|end",
    "title": r"[ -~…]*",
    "value": _NUMBER,
    "viewbox": rf"0 0 {_NUMBER} {_NUMBER}",
    "x": _NUMBER,
    "y": _NUMBER,
}

HOSTILE = (
    *NAMES,
    "\0\x1b\ud800",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)' x='",
    "</title></svg></pre></bdi><script>alert(1)</script>",
    "<!-- ]]> <![CDATA[ <?php",
    "&lt;script&gt;&#60;&amp;",
    "javascript:alert(1)",
    "{{7*7}} {% x %} {0.__class__} {} %(x)s",
    "<svg/onload=alert(1)>",
    "<style>*{x:url(//y)}</style>",
    "\u202ea\u2066b\u200fc\u061cd\u200be\ufefff\u2028g\u2029",
    "<B\nonclick\n=\n1>",
)
"""Texts that would be more than text without escapes."""


@define
class Read(HTMLParser):
    """Markup as a browser reads it."""

    texts: list[str] = field(factory=list[str])
    classes: set[str] = field(factory=set[str])
    problems: list[str] = field(factory=list[str])
    waiting: list[str] = field(factory=list[str])

    def __attrs_pre_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        self.waiting.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ELEMENTS:
            self.problems.append(f"element {tag}")
        for name, value in attrs:
            known = ATTRIBUTES.get(name)
            if known is None or not re.fullmatch(known, value or ""):
                self.problems.append(f"attribute {name}={value}")
            if name == "class":
                self.classes.update((value or "").split())

    def handle_endtag(self, tag: str) -> None:
        if not self.waiting or self.waiting.pop() != tag:
            self.problems.append(f"end of {tag}")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.problems.append(f"comment {data}")

    def handle_decl(self, decl: str) -> None:
        self.problems.append(f"declaration {decl}")

    def handle_pi(self, data: str) -> None:
        self.problems.append(f"instruction {data}")

    def unknown_decl(self, data: str) -> None:
        self.problems.append(f"declaration {data}")


def read(markup: str) -> Read:
    """Return markup as it is read, after a check that it has only what the functions write."""
    found = Read()
    found.feed(markup)
    found.close()
    assert found.problems == []
    assert found.waiting == []
    assert found.classes <= CLASSES
    return found


def shown(markup: str) -> str:
    """Return the text that a reader sees."""
    return "".join(read(markup).texts)
