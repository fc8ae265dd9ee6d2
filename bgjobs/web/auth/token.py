"""`TokenAuth`: one user, who comes with a link that can be used once."""

from typing import final

from attrs import field, frozen

from bgjobs.web.auth.users import User


@final
@frozen
class TokenAuth:
    """A token for the first person who opens its link; `bgjobs web` prints it."""

    token: str = field(repr=False)
    """A text that cannot be guessed, as `secrets.token_urlsafe` makes them."""
    user: User
