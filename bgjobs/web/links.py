"""The addresses of pages, below the path at which the application is mounted."""

import re
from typing import final
from urllib.parse import parse_qsl, quote, urlencode

from attrs import frozen
from starlette.types import Scope

from bgjobs._core.arguments import check_text
from bgjobs._core.text import value_text

_OWN_PATH = re.compile(r"/(?!/)[A-Za-z0-9\-._~%!$&'()*+,;=:@/?]*")
"""A path with its query: not of another host, as ``//host`` is, and without a backslash."""

_TRACE_URL = re.compile(r"https?://[^\s{}]+\{trace_id\}[^\s{}]*")


@final
@frozen
class Links:
    """Makes the addresses of pages."""

    base: str
    """The path at which the application is mounted; empty, or a path without its last slash."""
    prefix: str = ""
    """The path of one of several systems below it, or empty."""

    def top(self, path: str) -> str:
        """Return the address of what all systems share, such as ``/static/style.css``."""
        return f"{self.base}{path}"

    def page(self, path: str, *pairs: tuple[str, str], **values: str) -> str:
        """Return the address of a page of the system, such as ``/``, with a query."""
        return with_query(f"{self.base}{self.prefix}{path}", *pairs, **values)


def base_of(scope: Scope) -> str:
    """Return the path at which the application is mounted, as it is in an address."""
    path = quote(scope.get("root_path", "").strip("/"), safe="/~")
    return f"/{path}" if path else ""


def requested_path(scope: Scope) -> str:
    """Return the requested path below the base, as it is in an address."""
    return own_path(quote(path_below(scope), safe="/~"))


def requested(scope: Scope) -> str:
    """Return the requested path below the base, with its query."""
    path = requested_path(scope)
    query = scope["query_string"].decode("latin-1")
    return own_path(f"{path}?{query}") if query else path


def path_below(scope: Scope) -> str:
    """Return the requested path below the path at which the application is mounted."""
    root: str = scope.get("root_path", "")
    path: str = scope["path"]
    return path.removeprefix(root) if path.startswith(f"{root}/") or path == root else path


def with_query(path: str, *pairs: tuple[str, str], **values: str) -> str:
    """Return a path with a query of these names and values; names of pairs may be repeated."""
    query = urlencode([*pairs, *values.items()], errors="replace")
    return f"{path}?{query}" if query else path


def live_address(scope: Scope) -> str:
    """Return the address at which a browser follows the requested page, with its query."""
    path = f"{base_of(scope)}{requested_path(scope).rstrip('/')}/live"
    return with_query(path, *parse_qsl(scope["query_string"].decode("latin-1")))


def check_trace_url(found: object) -> None:
    """Raise an error unless the argument of `app` is the address of a trace, or None."""
    check_text("app: trace_url", found, optional=True)
    if isinstance(found, str) and not _TRACE_URL.fullmatch(found):
        wanted = "an address such as 'https://traces.example.org/trace/{trace_id}'"
        raise ValueError(f"app: trace_url: expected {wanted}, found {value_text(found)}")


def own_path(text: str) -> str:
    """Return a path that a request has named; the start page, if it could lead elsewhere."""
    return text if _OWN_PATH.fullmatch(text) else "/"
