"""`BasicAuth`: users with passwords, as a value of the application."""

from collections.abc import Collection, Mapping
from typing import final

from bgjobs._core.arguments import check_names, check_texts, check_type
from bgjobs._core.text import known_text
from bgjobs.web.auth.passwords import PasswordHash
from bgjobs.web.auth.users import User

LONGEST_USER_NAME = 200


@final
class BasicAuth:
    """Users who log in with a password.

    ``BasicAuth({"ada": web.hash_password("...")}, may_act=["ada"])``. Take the hashes from the
    place of your secrets. Each user may read; what else they may do, the other arguments name.

    Args:
        passwords: The hashes that `hash_password` has returned, by the names of the users.
        may_act: The names of the users who may change jobs and queues.
        may_see_arguments: The names of the users who may see the arguments of jobs.

    Raises:
        TypeError: An argument has another type.
        ValueError: There are no users, a name is unknown or too long, or a text is no hash. The
            error does not quote the text.
    """

    def __init__(
        self,
        passwords: Mapping[str, str],
        *,
        may_act: Collection[str] = (),
        may_see_arguments: Collection[str] = (),
    ) -> None:
        check_texts("BasicAuth: passwords", passwords)
        if not passwords:
            raise ValueError("BasicAuth: passwords: expected a user, found none")
        _check_known("may_act", may_act, passwords)
        _check_known("may_see_arguments", may_see_arguments, passwords)
        self._hashes = {name: _hash_of(name, text) for name, text in passwords.items()}
        sees = frozenset(may_see_arguments)
        self._users = {
            name: User(name, may_act=name in may_act, may_see_arguments=name in sees)
            for name in passwords
        }
        self._unknown = next(iter(self._hashes.values())).unguessable()

    def find(self, name: str, password: str) -> User | None:
        """Return the user of this name, if the password is right.

        It computes for some tenths of a second, as long for an unknown name as for a known one.
        """
        is_right = self._hashes.get(name, self._unknown).matches(password)
        return self._users.get(name) if is_right else None


def _check_known(what: str, names: Collection[str], known: Collection[str]) -> None:
    check_type(f"BasicAuth: {what}", names, Collection, "a collection of names")
    check_names(f"BasicAuth: {what}", names)
    for name in names:
        if name not in known:
            text = known_text("users", name, sorted(known))
            raise ValueError(f"BasicAuth: {what}: no user {name!r}; {text}")


def _hash_of(name: str, text: str) -> PasswordHash:
    if len(name) > LONGEST_USER_NAME:
        wanted = f"expected names of at most {LONGEST_USER_NAME} characters"
        raise ValueError(f"BasicAuth: passwords: {wanted}, found {len(name)}")
    found = PasswordHash.parse(text)
    if found is None:
        wanted = "expected a text of web.hash_password, found another"
        raise ValueError(f"BasicAuth: passwords[{name!r}]: {wanted}")
    return found
