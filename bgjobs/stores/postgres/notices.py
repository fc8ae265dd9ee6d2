r"""How a `Notice` becomes payloads of NOTIFY, and payloads become a `Notice`.

Processes of the previous version may use the same schema. They know only these payloads: the
name of a worker as it is, "\x1borders" for new commands, and an empty text, which tests a
listener. They take any other payload for the name of a worker that they do not have.

Other programs can send anything. A payload that is not the name of a worker here is compared
with names, and wakes no queue.
"""

from collections.abc import Iterable, Sequence

from bgjobs.stores.types import Notice

_NOTHING = ""
_COMMANDS = "\x1borders"
"""No name of a worker has a control character."""
_ANY_WORKER = "\x1bany"
"""The previous version never sends it. When it receives it, its queues poll as usual."""
_RESERVED = frozenset((_NOTHING, _COMMANDS, _ANY_WORKER))


def payloads_of(notice: Notice) -> Sequence[str]:
    """Return the payloads of a notice, each once; at least one."""
    payloads = {_ANY_WORKER} if notice.workers is None else set(notice.workers)
    if notice.commands:
        payloads.add(_COMMANDS)
    return sorted(payloads) or [_NOTHING]


def notice_of(payloads: Iterable[str]) -> Notice:
    """Return one notice of all that these payloads report."""
    found = frozenset(payloads)
    workers = None if _ANY_WORKER in found else found - _RESERVED
    return Notice(workers, commands=_COMMANDS in found)
