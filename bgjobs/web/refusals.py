"""An answer that is not the page which was requested."""

from collections.abc import Mapping
from typing import final

from attrs import field, frozen


@final
@frozen
class Refusal:
    """The status, the title and the text of an error page."""

    status: int
    title: str
    text: str
    headers: Mapping[str, str] = field(factory=dict[str, str])


@final
class RefusedError(Exception):
    """Raised by a page, or by what reads its request, to answer with a `Refusal`."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(refusal.status, refusal.title)


NOT_FOUND = Refusal(404, "Not found", "There is no such page.")
NOT_READABLE = Refusal(403, "Not allowed", "Your user may not read this page.")
NOT_ACTING = Refusal(
    403, "Not allowed", "Nothing was changed: your user may read this page, and change nothing."
)
CLOSED = Refusal(
    503,
    "Not open",
    "This page has no access to the jobs, because it is not open. The application that mounts "
    "it has to enter 'async with page.opened():' in its own lifespan.",
)
ENDED = Refusal(503, "Stopped", "The application of these jobs has stopped, or is stopping.")
UNAVAILABLE = Refusal(
    503,
    "Database unavailable",
    "The database of the jobs cannot be reached, or is busy. Reload this page in a while.",
)


def unexpected(reference: str) -> Refusal:
    """Return the answer to an error whose text is only in the log, beside the reference."""
    return Refusal(
        500,
        "Error",
        "An unexpected error occurred. The log of the application has its description under "
        f"the reference {reference}.",
    )
