"""The live part of a page as Server-Sent Events.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from collections.abc import AsyncGenerator, Awaitable, Callable

from anyio import current_time, fail_after, sleep

from bgjobs.errors import BgJobsError, StoreUnavailableError
from bgjobs.web.refusals import RefusedError

INTERVAL = 2.0
"""Seconds between two looks at a part, which all browsers share."""
LONGEST = 600.0
"""Seconds after which a stream ends. The browser opens another one, if it may still read."""
SIGN_OF_LIFE = 15.0
"""Seconds without a change after which a comment is sent: it fails if the browser is gone."""
CHECKED = 15.0
"""Seconds after which it is checked again that the user may read."""
PATIENCE = 10.0
"""Seconds for which a look may wait for the database before it counts as away."""

AWAY = "event: away\ndata:\n\n"
"""The event that says that the database is away, so that the part is not up to date."""


async def events(
    read: Callable[[], Awaitable[str]], check: Callable[[], Awaitable[None]]
) -> AsyncGenerator[str]:
    """Yield the text of a part now, and whenever it has changed since.

    While the database is away, the stream goes on, and `AWAY` is sent once. It ends when the
    part cannot be read otherwise, as when its job was deleted, or when `check` raises
    `RefusedError`. Cancelling it leaves nothing behind.
    """
    began = sent_at = checked_at = current_time()
    last: str | None = None
    while current_time() - began < LONGEST:
        try:
            if current_time() - checked_at >= CHECKED:
                await check()
                checked_at = current_time()
            event = await _look(read)
        except (BgJobsError, RefusedError):
            return
        if event != last:
            last, sent_at = event, current_time()
            yield event
        elif current_time() - sent_at >= SIGN_OF_LIFE:
            sent_at = current_time()
            yield ":\n\n"
        await sleep(INTERVAL)


async def _look(read: Callable[[], Awaitable[str]]) -> str:
    try:
        with fail_after(PATIENCE):
            return event_of(await read())
    except (StoreUnavailableError, TimeoutError):
        return AWAY


def event_of(text: str) -> str:
    """Return a text of several lines as one event."""
    return "".join(f"data: {line}\n" for line in text.splitlines()) + "\n"
