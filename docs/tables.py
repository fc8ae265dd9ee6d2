"""Write the pages that are generated from the code: events, settings and llms.txt."""

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import get_args

from attrs import frozen

import bgjobs
from bgjobs import events

DOCS = Path(__file__).parent

EVENTS = """\
# Events

The events that listeners receive. [Events](../guide/events.md) shows how to listen to them, and
[When something breaks](../operate/operations.md#what-each-event-means) how to react to each.

| Event | Fields | When |
|---|---|---|
"""

CLASSES_OF_EVENTS = """
## As classes

```{eval-rst}
.. automodule:: bgjobs.events
   :exclude-members: Event, Listener

.. py:data:: bgjobs.events.Event

   The union of all classes above.

.. py:data:: bgjobs.events.Listener

   A plain or an async function that is called with each event, in the order of the events.
```
"""

SETTINGS = """\
# Settings

Times are numbers of seconds, unless the type is `timedelta`. Constructors check all values and
raise one `ConfigError` that lists every problem. [Tuning](../operate/tuning.md) describes what
each setting costs and gains.
"""

LLMS = """\
# bgjobs

> Background jobs for Trio and AnyIO (asyncio too) in Python 3.11 and newer, stored in SQLite or
> PostgreSQL. Functions become typed jobs. Delivery is at least once, with leases and fenced
> reservations; what a job writes in its completing transaction is written exactly once.

To use it: `@bgjobs.worker` on an async or plain function with annotated parameters;
`bgjobs.Config(store=..., queues=[bgjobs.Queue("default", workers=[...])])`;
`async with bgjobs.run(config) as bg:`; `await bg.enqueue(worker.request(...))`;
`await bg.run_until_stopped()`. Stores are `bgjobs.SQLiteStore(path)` and
`bgjobs.PostgresStore(conninfo)`. Handlers must be idempotent. There are no brokers, no pickle,
no result backend and no global application object.
"""

CLASSES = (
    bgjobs.Config,
    bgjobs.Queue,
    bgjobs.ScheduledJob,
    bgjobs.Retention,
    bgjobs.RestartTolerance,
    bgjobs.Limits,
)
FUNCTIONS: tuple[tuple[str, Callable[..., object]], ...] = (
    ("worker", bgjobs.worker),
    ("SQLiteStore", bgjobs.SQLiteStore.__init__),
    ("PostgresStore", bgjobs.PostgresStore.__init__),
)


_SECTION = re.compile(r"^(Args|Returns|Raises|Yields):\n", re.MULTILINE)
_ENTRY = re.compile(r"^    (\w+): (.+(?:\n {8}.+)*)", re.MULTILINE)


@frozen
class Field:
    """One attribute of an attrs class, as in its source."""

    name: str
    type: str
    default: str
    meaning: str


def fields_of(kind: type) -> Iterator[Field]:
    """Yield the fields of a class in their order, with the text below each."""
    [node] = ast.parse(inspect.getsource(kind)).body
    assert isinstance(node, ast.ClassDef)  # noqa: S101 - for the type checker
    for one, after in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            annotation = ast.unparse(one.annotation).strip("'")
            yield Field(one.target.id, annotation, _default(one.value), _text_of(after))


def events_page() -> str:
    """Return docs/reference/events.md."""
    return EVENTS + "".join(map(_event_row, get_args(events.Event))) + CLASSES_OF_EVENTS


def settings_page() -> str:
    """Return docs/reference/settings.md."""
    sections = [*map(_class_section, CLASSES), *(_function_section(*one) for one in FUNCTIONS)]
    return SETTINGS + "".join(sections)


def llms_text() -> str:
    """Return docs/llms.txt: a summary, then the lists of the front page."""
    index = (DOCS / "index.md").read_text("utf-8")
    return f"{LLMS}\n{index[index.index('## ') :]}"


def _event_row(event: type) -> str:
    fields = [
        f"`{one.name}`: {one.meaning[:1].lower()}{one.meaning[1:].rstrip('.')}"
        if one.meaning
        else f"`{one.name}`"
        for one in fields_of(event)
    ]
    return _row(f"`{event.__name__}`", "; ".join(fields), _flat(_introduction(event)))


def _class_section(kind: type) -> str:
    head = f"\n## {kind.__name__}\n\n{_introduction(kind)}\n\n"
    rows = [
        _row(f"`{one.name}`", _code(one.type), _code(one.default), one.meaning)
        for one in fields_of(kind)
    ]
    titles = _row("Setting", "Type", "Default", "Meaning")
    return f"{head}{titles}|---|---|---|---|\n{''.join(rows)}"


def _function_section(name: str, function: Callable[..., object]) -> str:
    [node] = ast.parse(dedent(inspect.getsource(function))).body
    assert isinstance(node, ast.FunctionDef)  # noqa: S101 - for the type checker
    meanings = _arguments(function)
    rows = [
        _row(
            f"`{one.arg}`",
            _code(_source(one.annotation)),
            _code(_source(default)),
            *([meanings.get(one.arg, "")] if meanings else []),
        )
        for one, default in _parameters(node.args)
    ]
    head = f"\n## {name}\n\n{_introduction(function)}\n\n"
    titles = ["Setting", "Type", "Default", *(["Meaning"] if meanings else [])]
    return f"{head}{_row(*titles)}{'|---' * len(titles)}|\n{''.join(rows)}"


def _introduction(what: object) -> str:
    """Return the docstring without its sections such as ``Args:``."""
    return _SECTION.split(inspect.getdoc(what) or "")[0].strip()


def _arguments(function: Callable[..., object]) -> dict[str, str]:
    """Return the texts of the section ``Args:`` by the names of the arguments."""
    parts = _SECTION.split(inspect.getdoc(function) or "")
    texts = dict(zip(parts[1::2], parts[2::2], strict=True)).get("Args", "")
    return {name: _flat(text) for name, text in _ENTRY.findall(texts)}


def _parameters(given: ast.arguments) -> Iterator[tuple[ast.arg, ast.expr | None]]:
    """Yield the parameters that a caller can name, with their defaults."""
    yield from ((one, None) for one in given.args if one.arg != "self")
    yield from zip(given.kwonlyargs, given.kw_defaults, strict=True)


def _default(value: ast.expr | None) -> str:
    """Return the default of a field, or "" if the text of the field describes it."""
    if not isinstance(value, ast.Call) or ast.unparse(value.func) != "field":
        return "" if value is None else ast.unparse(value)
    given = {one.arg: ast.unparse(one.value) for one in value.keywords}
    if "factory" in given:
        return f"{given['factory']}()"
    default = given.get("default", "")
    return "" if default.startswith("Factory(") else default


def _source(node: ast.expr | None) -> str:
    return "" if node is None else ast.unparse(node)


def _text_of(node: ast.stmt | None) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return _flat(str(node.value.value))
    return ""


def _flat(text: str | None) -> str:
    return " ".join((text or "").split())


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


PAGES: dict[Path, Callable[[], str]] = {
    DOCS / "reference" / "events.md": events_page,
    DOCS / "reference" / "settings.md": settings_page,
    DOCS / "llms.txt": llms_text,
}

if __name__ == "__main__":
    for path, page in PAGES.items():
        path.write_text(page(), "utf-8")
