"""The names under which the page may be requested, against DNS rebinding.

A hostile web site can give its own name the address of this server. A browser then sends
requests of that site here, with the name of the site as the host.
"""

import re
from collections.abc import Collection

from bgjobs._core.arguments import check_names, check_type
from bgjobs._core.text import value_text
from bgjobs.web.refusals import Refusal

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""The names that are always allowed: no other site can have them."""

_HOST = re.compile(
    r"(?P<name>[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
)

WRONG_HOST = Refusal(
    400,
    "Unknown host name",
    "This page does not answer under the host name of this address. If the name is right, add "
    "it where the page is made: web.app(..., allowed_hosts=['jobs.example.org']), or bgjobs "
    "web --allow-host jobs.example.org.",
)


def as_hosts(names: Collection[str]) -> frozenset[str]:
    """Return host names in lower case; raise an error for what is no host name.

    Raises:
        TypeError: It is no collection of texts.
        ValueError: A name has a port or a scheme, or is a pattern.
    """
    check_type("allowed_hosts", names, Collection, "a collection of names")
    check_names("allowed_hosts", names)
    return frozenset(_as_host(name) for name in names)


def _as_host(name: str) -> str:
    found = _HOST.fullmatch(name.lower())
    if found is None or found["port"]:
        wanted = "expected host names without a port, such as jobs.example.org"
        raise ValueError(f"allowed_hosts: {wanted}, found {value_text(name)}")
    return found["name"]


def name_of(host: str) -> str | None:
    """Return the name in the value of a `Host` header, without its port; None if it is none."""
    found = _HOST.fullmatch(host.lower())
    return None if found is None else found["name"]


def port_of(host: str) -> str:
    """Return the port in the value of a `Host` header; empty if it has none."""
    found = _HOST.fullmatch(host.lower())
    return "" if found is None else found["port"] or ""
