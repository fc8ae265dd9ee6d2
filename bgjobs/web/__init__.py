"""A web page for operators, as an ASGI application: ``bgjobs.web.app(config, auth=...)``.

Importing this module needs ``pip install 'bgjobs[web]'``; importing `bgjobs` does not.
"""

try:
    import jinja2
    import starlette
except ImportError as _error:
    raise ImportError(
        "bgjobs.web needs starlette and jinja2: pip install 'bgjobs[web]'"
    ) from _error

from bgjobs.web.application import WebApp, app
from bgjobs.web.auth.basic import BasicAuth
from bgjobs.web.auth.passwords import hash_password
from bgjobs.web.auth.users import User
from bgjobs.web.probes import health

__all__ = ["BasicAuth", "User", "WebApp", "app", "hash_password", "health"]

del jinja2, starlette
