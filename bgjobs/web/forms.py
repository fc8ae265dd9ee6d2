"""The fields of a form that was sent."""

from starlette.datastructures import QueryParams
from starlette.requests import Request

from bgjobs.web.refusals import Refusal, RefusedError

_TYPE = "application/x-www-form-urlencoded"
NO_FORM = Refusal(415, "Not a form", f"This page expects a form of the type {_TYPE}.")


async def form_of(request: Request) -> QueryParams:
    """Return the fields of the form in a request.

    Raises:
        RefusedError: The request has no form, or is too large.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise RefusedError(NO_FORM)
    return QueryParams(await request.body())
