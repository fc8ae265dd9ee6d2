"""The systems that a page shows: configurations by name."""

import re
from collections.abc import Mapping, Sequence
from typing import final

from attrs import frozen

from bgjobs import Client, Config
from bgjobs._core.arguments import check_text, check_type
from bgjobs._core.text import known_text, value_text
from bgjobs.web.actions.runs import Runs
from bgjobs.web.shared import SharedReads

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_RESERVED = ("login", "logout", "static")


@final
@frozen(eq=False)
class System:
    """One application whose jobs are shown."""

    name: str
    """Empty if it is the only one."""
    config: Config

    @property
    def prefix(self) -> str:
        """The path of its pages below that of the whole page."""
        return f"/{self.name}" if self.name else ""


@final
@frozen(eq=False)
class OpenSystem:
    """A system with the client that reads its jobs."""

    system: System
    client: Client
    shared: SharedReads
    """What requests have read lately."""
    runs: Runs
    """The actions that users have begun."""


def as_systems(config: Config | Mapping[str, Config]) -> Sequence[System]:
    """Return the systems of the argument of `app`, with checked names.

    Raises:
        TypeError: It is neither a configuration nor a mapping of names to configurations.
        ValueError: It is empty, a name cannot be part of an address, or two configurations
            share a store.
    """
    if isinstance(config, Config):
        return [System("", config)]
    check_type("app: config", config, Mapping, "a Config or a mapping of names to Configs")
    if not config:
        raise ValueError("app: config: expected a Config, found an empty mapping")
    systems = [_named(name, one) for name, one in config.items()]
    _check_stores(systems)
    return systems


def _named(name: str, config: Config) -> System:
    check_text("app: config: name", name)
    if not _NAME.fullmatch(name) or name in _RESERVED:
        others = ", ".join(_RESERVED)
        wanted = f"expected 1 to 63 of a-z, 0-9 and '-', and none of {others}"
        raise ValueError(f"app: config: name: {wanted}; found {value_text(name)}")
    check_type(f"app: config[{name!r}]", config, Config, "a Config")
    return System(name, config)


def _check_stores(systems: Sequence[System]) -> None:
    names = dict[int, str]()
    for system in systems:
        other = names.setdefault(id(system.config.store), system.name)
        if other != system.name:
            raise ValueError(
                f"app: config: {other!r} and {system.name!r} have the same store, which can be "
                "opened once: make a store for each"
            )


def running_clients(
    running: Client | Mapping[str, Client] | None, systems: Sequence[System]
) -> Mapping[str, Client]:
    """Return the running clients of the argument of `WebApp.opened`, by the names of systems.

    Raises:
        TypeError: It is neither a client nor a mapping of names to clients.
        ValueError: There are several systems and it is no mapping, or a name is unknown.
    """
    if running is None:
        return {}
    names = [system.name for system in systems]
    if isinstance(running, Client):
        if len(names) > 1 or names != [""]:
            wanted = "expected a mapping of names to clients, as for app, found a client"
            raise ValueError(f"opened: running: {wanted}")
        return {"": running}
    check_type("opened: running", running, Mapping, "a client or a mapping of names to clients")
    for name, client in running.items():
        if not name or name not in names:
            check_text("opened: running: name", name)
            text = known_text("systems", name, [one for one in names if one])
            raise ValueError(f"opened: running: no system {name!r}; {text}")
        check_type(f"opened: running[{name!r}]", client, Client, "a client")
    return running
