"""Event loops for the tests of the test tools."""

from typing import Any

import pytest

from bgjobs.testing import virtual_backend


@pytest.fixture(params=["trio", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Virtual time, unless a test has the mark `real_time`."""
    return virtual_backend(request.param)


real_time = pytest.mark.parametrize("anyio_backend", ["trio", "asyncio"])
"""For what also works in real time, or refuses it."""
