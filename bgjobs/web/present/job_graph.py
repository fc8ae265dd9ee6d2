"""The descendants of a job as a graph of links, and as a table with the same facts."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias, final
from uuid import UUID

from attrs import frozen
from markupsafe import Markup

import bgjobs
from bgjobs._core.job_tree import first_start
from bgjobs.web.present import charts, numbers, svg
from bgjobs.web.present import text as texts
from bgjobs.web.present.job_rows import distinct_digits, state_time

MOST_NODES = 50
"""Jobs that are drawn, with the one whose descendants they are."""
Address: TypeAlias = Callable[[UUID], str]
"""Returns the address of the page of a job."""

_UNKNOWN: Final = "deleted or unreadable"
_STATES: Final = (
    *("running", "waiting", "delayed", "failed", "cancelled", "succeeded"),
    _UNKNOWN,
)
_ROW, _SIZE = 28, 10
"""Height of a row, and of the shape in it."""
_LEAST_STEP, _STEP, _STEPS = 8, 18, 140
"""Units from a parent to its children: at least, at most, and on all levels if they fit."""
_LABEL = 220
"""Units that each row has at least for its texts."""
_LETTER = 6.7
"""Units of a wide letter."""

_NODE = Markup('<a class="graph-node" href="{}"><title>{}</title>{}</a>')
_LINK = Markup('<a href="{}">{}</a>')
_MORE = Markup('<p class="note">More descendants are not shown.</p>')


@final
@frozen(eq=False)
class _Node:
    """A job and its place."""

    id: UUID
    job: bgjobs.AnyJob | None
    row: int
    depth: int = 0
    parent: "_Node | None" = None

    @property
    def worker(self) -> str:
        return "not known" if self.job is None else self.job.name

    @property
    def state(self) -> str:
        return _UNKNOWN if self.job is None else self.job.state

    @property
    def top(self) -> int:
        return self.row * _ROW


@final
@frozen
class _Look:
    """What all nodes of a graph share."""

    step: float
    width: float
    digits: int
    """Digits of an id that are shown."""

    def left(self, node: _Node) -> float:
        return 1 + node.depth * self.step

    def short_id(self, node: _Node) -> str:
        return node.id.hex[: self.digits]


def job_graph(tree: bgjobs.JobTree, address: Address) -> Markup:
    """Return a job with its descendants; nothing if it has none."""
    if not tree.children:
        return Markup("")
    nodes, is_cut = _nodes(tree)
    look, title = _look(nodes), _title(nodes, is_cut=is_cut)
    drawn = [_edge(node, node.parent, look) for node in nodes if node.parent is not None]
    drawn += [_node(node, look, address(node.id)) for node in nodes]
    height = _ROW * len(nodes)
    picture = svg.picture("graph-picture", title, height, drawn, width=look.width, role="group")
    table = _table(nodes, look, address)
    return charts.figure(title, picture, table, _MORE if is_cut else "")


def _nodes(tree: bgjobs.JobTree) -> tuple[Sequence[_Node], bool]:
    """Return the jobs that are drawn, and whether some are not."""
    found: list[_Node] = []
    waiting: list[tuple[bgjobs.JobTree, _Node | None]] = [(tree, None)]
    while waiting and len(found) < MOST_NODES:
        one, parent = waiting.pop()
        depth = 0 if parent is None else parent.depth + 1
        node = _Node(one.id, one.job, len(found), depth, parent)
        found.append(node)
        waiting += [(child, node) for child in reversed(one.children)]
    return found, tree.is_cut or bool(waiting)


def _look(nodes: Sequence[_Node]) -> _Look:
    """Return how nodes are drawn; a picture of many levels is wider than others."""
    deepest = max(node.depth for node in nodes)
    step = max(_LEAST_STEP, min(_STEP, _STEPS / max(1, deepest)))
    width = max(svg.WIDTH, deepest * step + _LABEL)
    return _Look(step, width, distinct_digits({node.id for node in nodes}))


def _title(nodes: Sequence[_Node], *, is_cut: bool) -> str:
    counts = Counter(node.state for node in nodes[1:])
    words = ", ".join(f"{counts[state]} {state}" for state in _STATES if counts[state])
    first = "The first " if is_cut else ""
    return f"{first}{texts.plural(len(nodes) - 1, 'descendant')}: {words}"


def _edge(node: _Node, parent: _Node, look: _Look) -> Markup:
    """Return the line from the shape of a parent, down and to the right."""
    x, y = look.left(parent) + _SIZE / 2, parent.top + _ROW / 2 + _SIZE / 2
    middle = node.top + _ROW / 2
    steps = f"M{svg.units(x)} {svg.units(y)}V{svg.units(middle)}H{svg.units(look.left(node))}"
    return svg.path("graph-edge", steps)


def _node(node: _Node, look: _Look, address: str) -> Markup:
    x = look.left(node)
    words = x + _SIZE + 5
    longest = int((look.width - words) / _LETTER)
    name = texts.label(node.worker, texts.LONGEST_NAME)
    title = f"{name}, {node.state}, {node.id}"
    parts = [
        svg.path("graph-ground", svg.box(x, node.top + 1, look.width - x - 1, _ROW - 2)),
        _shape(node.state, x, node.top + (_ROW - _SIZE) / 2),
        svg.text(words, node.top + 12, node.worker, longest),
        svg.text(words, node.top + 23, f"{node.state} · {look.short_id(node)}", longest),
    ]
    return _NODE.format(address, title, Markup("").join(parts))


def _shape(state: str, x: float, y: float) -> Markup:
    """Return a shape that can be told apart without its colour."""
    if state == "running":
        return svg.path("graph-running", svg.dot(x + _SIZE / 2, y + _SIZE / 2, _SIZE / 2))
    kind = "unknown" if state == _UNKNOWN else state
    shape = svg.path(f"graph-{kind}", svg.box(x, y, _SIZE, _SIZE))
    mark = _MARKS.get(state)
    return shape if mark is None else shape + svg.path("mark", mark(x, y))


def _hands(x: float, y: float) -> str:
    """Return the steps of the hands of a clock."""
    return f"M{svg.units(x + 4)} {svg.units(y + 2)}v4h4"


_MARKS: Mapping[str, Callable[[float, float], str]] = {
    "delayed": _hands,
    "succeeded": lambda x, y: svg.tick(x + 2, y + 2, 6),
    "failed": lambda x, y: svg.cross(x + 2.5, y + 2.5, 5),
    "cancelled": lambda x, y: svg.middle(x, y + 2, _SIZE, _SIZE - 4),
}


def _table(nodes: Sequence[_Node], look: _Look, address: Address) -> Markup:
    rows = [
        (
            texts.name(node.worker),
            node.state,
            _LINK.format(address(node.id), look.short_id(node)),
            "" if node.parent is None else look.short_id(node.parent),
            *_times(node.job),
        )
        for node in nodes
    ]
    return charts.table(["Worker", "State", "Job", "Child of", "Started", "Ended"], rows)


def _times(job: bgjobs.AnyJob | None) -> tuple[Markup | str, Markup | str]:
    """Return when a job was reserved first and when it ended, as far as that is known."""
    started = None if job is None else first_start(job)
    ended = None if job is None or isinstance(job, bgjobs.Job) else state_time(job)
    return (
        "" if started is None else numbers.absolute(started),
        "" if ended is None else numbers.absolute(ended),
    )
