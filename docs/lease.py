"""Draws the picture of docs/design/reservations.md: a lease that ends, with the defaults."""

from collections.abc import Iterator
from html import escape
from pathlib import Path

import bgjobs
from bgjobs._runtime.leases.registry import TRUSTED_SHARE

PICTURE = Path(__file__).parent / "design" / "lease.svg"

LEFT, TOP, SECOND, ROW, BAR = 150, 66, 14, 42, 22
LAST = 45
"""Seconds that are shown."""
WIDTH, HEIGHT = LEFT + LAST * SECOND + 30, TOP + 6 * ROW + 20

STYLE = """
.back { fill: #fff } .grid { stroke: #d0d7de }
text { fill: #24292f; font: 12px sans-serif } .head { font-size: 15px }
.good { fill: #b6d7ff } .bad { fill: #ffd1b3 }
@media (prefers-color-scheme: dark) {
.back { fill: #0d1117 } .grid { stroke: #30363d }
text { fill: #e6edf3 } .good { fill: #1f4e8c } .bad { fill: #7a3b12 }
}"""


def lease_picture() -> str:
    """Draw it as SVG, with the numbers of an application that sets none."""
    config = bgjobs.Config(store=bgjobs.SQLiteStore(":memory:"))
    lease, beat, sweep = config.lease, config.heartbeat_interval, config.sweep_interval
    frozen, thawed = 2 * beat, LAST - 5.0
    believed, ended = frozen + TRUSTED_SHARE * lease, frozen + lease
    back = ended + sweep
    title = f"A process that is frozen for longer than its lease of {lease:g} s"
    description = (
        f"Owner A renews its lease every {beat:g} s, the last time at {frozen:g} s, when it is "
        f"frozen. Until {believed:g} s it would believe in the lease; at {ended:g} s it ends "
        f"in the store. Within {sweep:g} s more somebody gives its jobs back, and owner B "
        f"reserves them. At {thawed:g} s A goes on, and what it writes is refused."
    )
    rows = [
        ("owner A", (0, frozen, "renews", "good"), (frozen, thawed, "is frozen", "bad")),
        ("A believes", (0, believed, f"in its lease, until {believed:g} s", "good")),
        ("the store says", (0, ended, f"that A lives, until {ended:g} s", "good")),
        ("a monitor", (ended, back, f"in {sweep:g} s", "good")),
        ("owner B", (back, LAST, "runs the jobs", "good")),
        ("A, again", (thawed, LAST, "refused", "bad")),
    ]
    size = f'width="{WIDTH}" height="{HEIGHT}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {size}',
        'role="img" aria-labelledby="title desc">',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="desc">{escape(description)}</desc>',
        f"<style>{STYLE}\n</style>",
        f'<rect class="back" {size} rx="6"/>',
        _text(16, 26, title, "head"),
        *_seconds(),
        *(part for number, row in enumerate(rows) for part in _row(number, *row)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _seconds() -> Iterator[str]:
    for second in range(0, LAST + 1, 5):
        yield f'<path class="grid" d="M{_x(second)} {TOP - 6}V{HEIGHT - 16}"/>'
        yield _text(_x(second) - 8, TOP - 12, f"{second} s")


def _row(number: int, name: str, *bars: tuple[float, float, str, str]) -> Iterator[str]:
    y = TOP + number * ROW + 8
    yield _text(16, y + 16, name)
    for start, end, text, style in bars:
        width = _x(end) - _x(start)
        yield f'<rect class="{style}" x="{_x(start)}" y="{y}" width="{width}" height="{BAR}"/>'
        yield _text(_x(start) + 6, y + 16, text)


def _text(x: int, y: int, text: str, style: str = "") -> str:
    styled = f' class="{style}"' if style else ""
    return f'<text x="{x}" y="{y}"{styled}>{escape(text)}</text>'


def _x(second: float) -> int:
    return round(LEFT + second * SECOND)


if __name__ == "__main__":
    PICTURE.write_text(lease_picture(), "utf-8")
