"""A user who acts at the page: opens the form of an action, sends it, and sees what follows."""

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

import bgjobs
from bgjobs import web
from tests.web.browser import Answer, Browser
from tests.web.stored import seen

ACTOR = web.User("ada", may_act=True)
READER = web.User("grace")
ERROR = "ValueError: no"
FAILED = "/jobs/change?do=retry&all=1&state=failed"
"""The form that retries all failed jobs."""


def hidden(answer: Answer) -> Mapping[str, Any]:
    """Return the fields of the form of a page, as a browser would send them."""
    assert answer.status == 200, seen(answer)
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', answer.text)
    fields: dict[str, list[str]] = {}
    for name, value in found:
        fields.setdefault(html.unescape(name), []).append(html.unescape(value))
    return fields


async def sent(browser: Browser, target: str, **more: str) -> Answer:
    """Open the page of an action, send its form, and return the page that follows."""
    fields = {**hidden(await browser.get(target)), **more}
    answer = await browser.post(target.partition("?")[0], fields)
    if answer.status != 303:
        return answer
    assert answer.location.startswith("/")
    return await browser.get(answer.location)


async def jobs_in(client: bgjobs.Client, state: bgjobs.State) -> Sequence[Any]:
    return list(await client.list(bgjobs.JobFilter(state)))
