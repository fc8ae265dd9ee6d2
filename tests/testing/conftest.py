"""Event loops for the tests of the testing kit."""

from typing import Any

import pytest

from bgjobs.testing import virtual_backend


@pytest.fixture(params=["trio", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """In virtual time unless a test says otherwise."""
    return virtual_backend(request.param)


real_time = pytest.mark.parametrize("anyio_backend", ["trio", "asyncio"])
"""For what works in real time as well, or says that it does not."""
