"""`Renderer`: templates with values become pages."""

from collections.abc import Mapping, Sequence
from typing import Any, cast, final

from attrs import frozen
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response
from starlette.types import Scope

from bgjobs.web.auth.users import User
from bgjobs.web.links import Links, base_of
from bgjobs.web.present.numbers import (
    absolute,
    bounded,
    duration,
    number,
    percent,
    rate_text,
    relative,
)
from bgjobs.web.present.text import name, passage, plural
from bgjobs.web.refusals import Refusal

_FUNCTIONS = (
    *(name, passage, plural),
    *(number, bounded, percent, rate_text, duration, relative, absolute),
)
"""What templates show stored texts, numbers and times with, under the same names."""


@final
@frozen
class Link:
    """An entry of the navigation."""

    text: str
    address: str
    is_current: bool = False


@final
@frozen
class Frame:
    """What surrounds a page; by default that of a user who is not known."""

    user: User | None = None
    can_log_out: bool = False
    pages: Sequence[Link] = ()
    systems: Sequence[Link] = ()
    """The systems, if there are several."""


@final
class Renderer:
    """Renders the templates of this package; each value is escaped where it is inserted."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=PackageLoader("bgjobs.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        # Jinja annotates them with the types of its own functions.
        functions = cast("dict[str, Any]", self._templates.globals)
        functions.update({one.__name__: one for one in _FUNCTIONS})

    def page(
        self,
        scope: Scope,
        template: str,
        values: Mapping[str, Any],
        *,
        links: Links | None = None,
        frame: Frame | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Render a template; its values may be of any type that it can show."""
        links = links or Links(base_of(scope))
        text = self.part(template, {**values, "frame": frame or Frame()}, links)
        return HTMLResponse(text, status_code=status, headers=headers)

    def part(self, template: str, values: Mapping[str, Any], links: Links) -> str:
        """Render a template that is a part of a page."""
        return self._templates.get_template(template).render(links=links, **values)

    def refusal(self, scope: Scope, refusal: Refusal) -> Response:
        """Render the page of a refusal."""
        values = {"refusal": refusal}
        return self.page(
            scope, "refusal.html", values, status=refusal.status, headers=refusal.headers
        )
