"""What is wrong with the database, its settings and the waiting jobs."""

from collections.abc import Mapping
from typing import Any

from bgjobs import Finding
from bgjobs.web.pages.page import PageRequest, WebPage
from bgjobs.web.pages.parts import part

_ORDER = ("problem", "warning", "ok")
MOST_COUNTED = 100_000
"""Jobs of one worker that `Admin.unhandled` counts, at most."""


async def load(page: PageRequest) -> Mapping[str, Any]:
    """Return the findings, problems first, and the workers that no process runs."""
    found = await part(page.client.admin.diagnose())
    return {
        "findings": None if found is None else sorted(found, key=_rank),
        "problems": sum(one.level != "ok" for one in found or ()),
        "unhandled": await part(page.client.admin.unhandled()),
        "at_most": MOST_COUNTED,
        "checked_at": page.config.clock.now(),
    }


def _rank(finding: Finding) -> int:
    return _ORDER.index(finding.level)


HEALTH = WebPage("/health", "Health", "health.html", load)
