"""What a user may see of stored arguments and results."""

from collections.abc import Callable, Collection
from functools import partial
from typing import final

from anyio import to_thread
from attrs import frozen
from markupsafe import Markup

import bgjobs
from bgjobs.web.pages.page import PageRequest
from bgjobs.web.present.json_view import json_outline, json_tree
from bgjobs.web.present.text import plural, remark

_LARGE = 20_000
"""Characters; a longer document is read in a thread, as a megabyte takes up to 0.4 s."""


@final
@frozen
class Documents:
    """Shows the documents of one job to one user."""

    may_see: bool
    """Whether the user may see values."""
    hidden: Collection[str] | None
    """The names of members that no page shows; None if the worker is not known."""

    async def arguments(self, document: str) -> Markup:
        """Return the arguments as a tree, or only their names and types."""
        if self.may_see and self.hidden is not None:
            return await _shown(document, partial(json_tree, document, self.hidden))
        return await _shown(document, partial(json_outline, document))

    async def result(self, document: str) -> Markup:
        """Return the result as a tree, or its size: the keys of a result may be data."""
        if self.may_see and self.hidden is not None:
            return await self.arguments(document)
        return remark(f"not shown: {plural(len(document), 'character')}")


def documents_for(page: PageRequest, worker: object) -> Documents:
    """Return what shows the documents of the worker of this name to the user of a request."""
    return Documents(page.user.may_see_arguments, _hidden_names(page.config, worker))


def _hidden_names(config: bgjobs.Config, name: object) -> Collection[str] | None:
    found = [worker.redacted for worker in config.all_workers() if worker.name == name]
    return frozenset[str]().union(*found) if found else None


async def _shown(document: str, show: Callable[[], Markup]) -> Markup:
    return show() if len(document) < _LARGE else await to_thread.run_sync(show)
