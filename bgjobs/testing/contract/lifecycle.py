"""Opening, closing, the schema, notifications and watchers."""

from select import select
from typing import get_args

from bgjobs._core.jobs import State
from bgjobs.stores.filters import JobFilter
from bgjobs.stores.port import Store
from bgjobs.stores.types import ANY_CHANGE, Notice
from bgjobs.testing.contract.steps import listed, put_one, refuses


def check_migrating_makes_the_tables(store: Store) -> None:
    """Every listing of a migrated store works and is empty."""
    for state in get_args(State):
        found = listed(store, state)
        assert (list(found), found.unreadable, found.after) == ([], (), None)


def check_migrating_again_applies_nothing(store: Store) -> None:
    """A second migration keeps all rows."""
    job = put_one(store)
    assert list(store.migrate()) == []
    assert store.find(job.id) == job


def check_a_migrated_schema_is_accepted(store: Store) -> None:
    """`check_schema` accepts the version that this bgjobs knows."""
    store.check_schema()


def check_the_label_says_what_it_is(store: Store) -> None:
    """The label is not empty and does not change when the store is closed."""
    label = store.label
    assert label
    store.close()
    assert store.label == label


def check_at_least_one_verb_can_go_on(store: Store) -> None:
    """A store has at least one connection."""
    assert store.connections >= 1


def check_opening_twice_is_an_error(store: Store) -> None:
    """The error leaves the store open."""
    assert refuses(store, "open")
    assert store.find(put_one(store).id) is not None


def check_closing_twice_is_harmless(store: Store) -> None:
    """`close` accepts a store that is closed."""
    store.close()
    store.close()


def check_a_closed_store_refuses_verbs(store: Store) -> None:
    """Methods of a closed store raise an error of bgjobs, not of the driver."""
    store.close()
    assert refuses(store, "list", JobFilter("waiting"))
    assert refuses(store, "write")


def check_a_closed_store_can_be_opened_again(store: Store) -> None:
    """A store in memory is empty after that and needs a migration."""
    store.close()
    store.open()
    store.migrate()
    assert store.find(put_one(store).id) is not None


def check_listeners_are_given(store: Store) -> None:
    """`listeners` is empty for a store that was created without listeners."""
    assert list(store.listeners) == []


def check_a_store_says_whether_to_notify(store: Store) -> None:
    """`needs_notify` is the same for an open and a closed store."""
    needed = store.needs_notify
    store.close()
    assert store.needs_notify is needed


def check_notifying_is_harmless(store: Store) -> None:
    """`notify` accepts known names, unknown names, any worker, commands and no change."""
    put_one(store)
    store.notify(Notice(frozenset({"mail", "ünknown"})))
    store.notify(Notice(commands=True))
    store.notify(ANY_CHANGE)
    store.notify(Notice())


def check_a_watcher_receives_what_is_notified(store: Store) -> None:
    """Where change sources learn of changes by `notify`, they return all of a notice."""
    for sent in (
        Notice(frozenset({"mail", "fäx"})),
        Notice(commands=True),
        Notice(frozenset({"mail"}), commands=True),
        Notice(workers=None),
        ANY_CHANGE,
    ):
        watcher = store.watch()
        if watcher is None:
            return
        if watcher.interval is None and store.needs_notify:
            store.notify(sent)
            received = Notice()
            while received != sent:
                assert select([watcher.fileno()], [], [], 60.0)[0]
                received |= watcher.poll()
        watcher.close()


def check_a_watcher_with_a_descriptor_hears_an_empty_notice(store: Store) -> None:
    """A notice without a change proves that the watcher still receives notices."""
    watcher = store.watch()
    if watcher is None:
        return
    if watcher.interval is None and store.needs_notify:
        store.notify(Notice())
        assert select([watcher.fileno()], [], [], 60.0)[0]
        assert watcher.poll() == Notice()
    watcher.close()


def check_a_watcher_never_blocks(store: Store) -> None:
    """`poll` returns at once, and a watcher can be closed while the store is open."""
    watcher = store.watch()
    if watcher is None:
        return
    assert watcher.interval is None or watcher.interval > 0
    if watcher.interval is None:
        assert watcher.fileno() >= 0
    put_one(store)
    store.notify(Notice(frozenset({"mail"})))
    found = watcher.poll()
    assert found in (Notice(), Notice(frozenset({"mail"})), ANY_CHANGE)
    watcher.close()
    assert store.find(put_one(store).id) is not None
