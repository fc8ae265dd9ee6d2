"""What operators did: who, what and when, the newest first."""

from collections.abc import Mapping
from typing import Any

import bgjobs
from bgjobs.web.pages.page import PageRequest, WebPage
from bgjobs.web.pages.parts import part

LIMIT = 100
"""Entries of a page."""


async def load(page: PageRequest) -> Mapping[str, Any]:
    """Return the entries at the position in the query, of the author in it if there is one."""
    author = page.request.query_params.get("author") or None
    problem: str | None = None
    entries: bgjobs.Listing[bgjobs.AuditEntry] | None = None
    try:
        wanted = bgjobs.Page(LIMIT, _position(page))
        entries = await part(page.client.admin.audit(wanted, author=author))
    except ValueError as error:
        problem = str(error)

    def address(after: object) -> str:
        values = {"author": author, "position": None if after is None else str(after)}
        query = {name: value for name, value in values.items() if value is not None}
        return page.links.page("/audit", **query)

    def by_author(name: str) -> str:
        return page.links.page("/audit", author=name)

    return {
        "entries": entries,
        "problem": problem,
        "author": author or "",
        "now": page.config.clock.now(),
        "kept": page.config.retention.audit,
        "next": address(entries.after) if entries and entries.after else None,
        "by_author": by_author,
        "status": 200 if problem is None else 400,
    }


def _position(page: PageRequest) -> bgjobs.Cursor | None:
    text = page.request.query_params.get("position")
    return None if not text else bgjobs.Cursor.of(text)


AUDIT = WebPage("/audit", "Audit", "audit.html", load)
