"""The tokens of forms, against forms that other sites send, and those that are sent twice."""

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from typing import final

from bgjobs.web.auth.users import User
from bgjobs.web.refusals import Refusal, RefusedError

LONGEST_FORM = 3600.0
"""Seconds for which a form can be sent."""
MOST_SENT = 10_000
"""Tokens of sent forms that are remembered; then the oldest one is forgotten."""
STALE = Refusal(
    403,
    "Form too old",
    "Nothing was changed: this form is more than an hour old, was made for another user, or "
    "was made before the page was restarted. Open it again.",
)
SENT_TWICE = Refusal(
    409,
    "Already sent",
    "This form was sent twice. What it asks for was begun once; the page Audit shows it.",
)


@final
class FormTokens:
    """Makes a token for each form, and accepts each of them once, from its user."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._sent = OrderedDict[str, None]()

    def issue(self, user: User) -> str:
        """Return a token for a form that this user may send."""
        nonce, until = secrets.token_hex(16), int(self._clock() + LONGEST_FORM)
        return f"{nonce}.{until}.{self._sign(nonce, str(until), user)}"

    def accept(self, token: str, user: User) -> None:
        """Accept the token of a form that was sent.

        Raises:
            RefusedError: It is too old, was issued for another user, was sent before, or was
                not issued here.
        """
        nonce, _, rest = token.partition(".")
        until, _, signature = rest.partition(".")
        expected = self._sign(nonce, until, user)
        if not hmac.compare_digest(expected, signature.encode("ascii", "replace").decode()):
            raise RefusedError(STALE)
        if int(until) < self._clock():
            raise RefusedError(STALE)
        if nonce in self._sent:
            raise RefusedError(SENT_TWICE)
        self._sent[nonce] = None
        if len(self._sent) > MOST_SENT:
            self._sent.popitem(last=False)

    def _sign(self, nonce: str, until: str, user: User) -> str:
        text = f"{nonce}.{until}.{user.name}".encode("utf-8", "surrogatepass")
        return hmac.new(self._key, text, sha256).hexdigest()
