r"""How a `Notice` becomes payloads of NOTIFY, and payloads become a `Notice`.

Processes of the previous version may use the same schema. They know only these payloads: the
name of a worker as it is, "\x1borders" for new commands, and an empty text, which tests a
listener. They take any other payload for the name of a worker that they do not have.

Other programs can send anything. A payload that is not the name of a worker here is compared
with names, and wakes no queue.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from uuid import UUID

from bgjobs.stores.types import Notice

_NOTHING = ""
_COMMANDS = "\x1borders"
"""No name of a worker has a control character."""
_ANY_WORKER = "\x1bany"
"""The previous version never sends it. When it receives it, its queues poll as usual."""
_PARENT = "\x1bparent:"
"""Before the id of a parent. The previous version takes it for the name of a worker."""
_RESERVED = frozenset((_NOTHING, _COMMANDS, _ANY_WORKER))


def payloads_of(notice: Notice) -> Sequence[str]:
    """Return the payloads of a notice, each once; at least one."""
    payloads = {_ANY_WORKER} if notice.workers is None else set(notice.workers)
    if notice.commands:
        payloads.add(_COMMANDS)
    payloads |= {f"{_PARENT}{parent}" for parent in notice.parents}
    return sorted(payloads) or [_NOTHING]


def notice_of(payloads: Iterable[str]) -> Notice:
    """Return one notice of all that these payloads report."""
    found = frozenset(payloads)
    parents = frozenset(one for one in found if one.startswith(_PARENT))
    workers = None if _ANY_WORKER in found else found - _RESERVED - parents
    return Notice(workers, commands=_COMMANDS in found, parents=frozenset(_ids(parents)))


def _ids(payloads: Iterable[str]) -> Iterator[UUID]:
    for text in payloads:
        with suppress(ValueError):  # another program may have sent it
            yield UUID(text.removeprefix(_PARENT))
