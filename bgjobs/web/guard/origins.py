"""Whether a form was sent by a page of this server, against requests that other sites forge."""

from bgjobs.web.refusals import Refusal

FOREIGN = Refusal(
    403,
    "Sent from another page",
    "Your browser did not confirm that this form was sent from a page of this server. Nothing "
    "was changed. Open the page under https, or under http on localhost, and try again.",
)


def is_own(host: str, origin: str | None, fetch_site: str | None) -> bool:
    """Whether a request comes from a page of the same origin.

    Args:
        host: The value of the `Host` header.
        origin: The value of `Origin`, or None. It is "null" in forms of pages that send no
            referrer, as these do.
        fetch_site: The value of `Sec-Fetch-Site`, or None. Browsers send it to https and to
            localhost.
    """
    if fetch_site is not None:
        return fetch_site == "same-origin"
    return origin is not None and origin.lower() in {
        f"{scheme}://{host.lower()}" for scheme in ("http", "https")
    }
