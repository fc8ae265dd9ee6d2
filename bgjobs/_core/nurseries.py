"""Keys of children: which child of a handler is the same one in a later run of the handler.

A handler that runs again, after a crash or a retry, requests its children again. The key
decides which stored child a request stands for. It is made from the name of the worker and from
the arguments, so that equal requests of two runs have the same key.
"""

import json
from hashlib import sha256
from typing import final

from bgjobs._core.arguments import check_text
from bgjobs._core.requests import LONGEST_KEY, LOWEST_PRIORITY, JobRequest
from bgjobs._core.text import is_visible, value_text

NURSERY_OWNER = "nursery"
"""The name of the owner of an application's nursery, where other owners have that of their
queue. It runs no jobs."""
MADE_KEY = "sha256:"
"""The beginning of keys that are made from requests."""


@final
class ChildKeys:
    """The keys of the children of one run of a handler.

    The second of two equal requests has another key than the first, in all nurseries of the run
    together.
    """

    def __init__(self) -> None:
        self._equal_ones: dict[str, int] = {}
        self._given = set[str]()

    def key_of(self, request: JobRequest, key: str | None = None) -> str:
        """Return the key of one more child; `key` replaces the one that is made.

        Raises:
            TypeError: `key` is not a text.
            ValueError: `key` is no valid key, or a child of this run has it.
        """
        if key is not None:
            return self._checked(key)
        digest = digest_of(request)
        number = self._equal_ones.get(digest, 0)
        self._equal_ones[digest] = number + 1
        return f"{MADE_KEY}{digest}:{number}"

    def _checked(self, key: str) -> str:
        check_text("enqueue: key", key)
        if not (0 < len(key) <= LONGEST_KEY and is_visible(key)) or key.startswith(MADE_KEY):
            raise ValueError(
                f"enqueue: key: expected 1 to {LONGEST_KEY} printable characters that do not "
                f"begin with {MADE_KEY!r}, found {value_text(key)}"
            )
        if key in self._given:
            raise ValueError(f"enqueue: key: another child of this run has the key {key!r}")
        self._given.add(key)
        return key


def digest_of(request: JobRequest) -> str:
    """Return a digest that is equal for requests of the same worker with equal arguments.

    The options of the request are not part of it. The members of JSON objects are sorted; sets
    are sorted already in a payload.
    """
    arguments = request.payload
    if "{" in arguments:  # else nothing in it can have another order
        arguments = json.dumps(
            json.loads(arguments), sort_keys=True, separators=(",", ":"), ensure_ascii=True
        )
    return sha256(f"{request.name}\n{arguments}".encode()).hexdigest()


def priority_of_children(parent: int) -> int:
    """Return the priority of children whose requests have none: one step before the parent.

    So the jobs of a tree run depth first, and few handlers wait at the same time.
    """
    return max(parent - 1, -LOWEST_PRIORITY)
