"""The sessions of users who have logged in, in memory.

All times are seconds of a clock that never decreases.
"""

import secrets
from collections import OrderedDict
from hashlib import sha256
from typing import final

from attrs import evolve, frozen

from bgjobs.web.auth.users import User

LONGEST_PAUSE = 2 * 3600.0
"""Seconds without a request after which a session ends."""
LONGEST_SESSION = 12 * 3600.0
"""Seconds after which a session ends."""
MOST_SESSIONS = 1_000


@final
@frozen
class WebSession:
    """One login."""

    user: User
    begun: float
    used: float

    def is_over(self, now: float) -> bool:
        """Whether the session has ended by its age, or by a pause."""
        return now - self.begun > LONGEST_SESSION or now - self.used > LONGEST_PAUSE


@final
class WebSessions:
    """All sessions, by the hash of their id: the ids are only in the cookies."""

    def __init__(self, most: int = MOST_SESSIONS) -> None:
        self._most = most
        self._sessions = OrderedDict[str, WebSession]()

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, user: User, now: float) -> str:
        """Add a session and return its id, which no request can have chosen."""
        session_id = secrets.token_urlsafe(32)
        self._sessions[_key(session_id)] = WebSession(user, begun=now, used=now)
        while len(self._sessions) > self._most:
            self._sessions.popitem(last=False)
        return session_id

    def find(self, session_id: str, now: float) -> User | None:
        """Return the user of a session, and note that it was used; None if it has ended."""
        key = _key(session_id)
        session = self._sessions.get(key)
        if session is None:
            return None
        if session.is_over(now):
            del self._sessions[key]
            return None
        self._sessions[key] = evolve(session, used=now)
        return session.user

    def end(self, session_id: str) -> None:
        """Remove a session, if there is one of this id."""
        self._sessions.pop(_key(session_id), None)


def _key(session_id: str) -> str:
    return sha256(session_id.encode("utf-8", "surrogatepass")).hexdigest()
