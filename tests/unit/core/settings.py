"""Queues and configurations with one setting changed, and the problems of a wrong one."""

from collections.abc import Callable
from typing import Any

import pytest

import bgjobs
from bgjobs._core.config import Config, Queue
from bgjobs.errors import ConfigError

STORE = bgjobs.SQLiteStore("jobs.db")
Maker = Callable[..., Any]


@bgjobs.worker
async def mail(to: str) -> None: ...


@bgjobs.worker
async def clean() -> None: ...


def make_queue(name: Any = "q", **settings: Any) -> Queue:
    return Queue(name, **{"workers": [mail], **settings})


def make_config(**settings: Any) -> Config:
    return Config(**{"store": STORE, "queues": [make_queue()], **settings})


def problems_of(make: Maker, *args: Any, **settings: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        make(*args, **settings)
    return caught.value.problems
