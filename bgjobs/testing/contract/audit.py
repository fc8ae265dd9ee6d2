"""The audit: what operators did."""

from datetime import timedelta
from uuid import UUID

from bgjobs._core.audit import AuditEntry
from bgjobs._core.ids import new_id, new_ids
from bgjobs.stores.operations import OperatedStore
from bgjobs.stores.pages import Page
from bgjobs.testing.contract.steps import DAY, NOW, SECOND, TICK, ids

LATE = NOW + 9 * DAY


def _begun(store: OperatedStore, author: str | None = "ada", action: str = "retry") -> UUID:
    entry_id = new_id()
    store.operations.begin_audit(entry_id, action, "mail", author=author, now=NOW)
    return entry_id


def check_an_entry_is_listed_as_it_was_recorded(store: OperatedStore) -> None:
    """`changed` is None until the action has ended."""
    operations, entry_id = store.operations, new_id()
    subject = 'ünïcödé 🦉 "quoted" \\ \''
    operations.begin_audit(entry_id, "delete", subject, author="ada", now=NOW)
    begun = AuditEntry(
        id=entry_id, at=NOW, author="ada", action="delete", subject=subject, changed=None
    )
    assert operations.list_audit() == [begun]
    operations.end_audit(entry_id, 3)
    [ended] = operations.list_audit()
    assert (ended.changed, ended.at, ended.subject) == (3, NOW, subject)


def check_an_entry_needs_no_author_and_no_time(store: OperatedStore) -> None:
    """Without `now` the time is that of the store's clock."""
    store.operations.begin_audit(new_id(), "prune", "all")
    [entry] = store.operations.list_audit()
    assert entry.author is None
    assert entry.at.utcoffset() == timedelta(0)


def check_the_longest_texts_of_an_entry_are_stored(store: OperatedStore) -> None:
    """Each character may take four bytes."""
    author, action, subject = "🦉" * 200, "a" * 100, "🦉" * 2_000
    store.operations.begin_audit(new_id(), action, subject, author=author)
    [entry] = store.operations.list_audit()
    assert (entry.author, entry.action, entry.subject) == (author, action, subject)


def check_a_repeated_begin_of_an_entry_changes_nothing(store: OperatedStore) -> None:
    """As after a write whose answer was lost."""
    operations, entry_id = store.operations, _begun(store)
    operations.end_audit(entry_id, 2)
    operations.begin_audit(entry_id, "delete", "x", author="eve", now=LATE)
    [entry] = operations.list_audit()
    assert (entry.action, entry.author, entry.at, entry.changed) == ("retry", "ada", NOW, 2)


def check_one_entry_is_ended(store: OperatedStore) -> None:
    """Others stay open, and an unknown one is ignored."""
    first, second = _begun(store), _begun(store)
    store.operations.end_audit(first, 0)
    store.operations.end_audit(new_id(), 5)
    changed = {entry.id: entry.changed for entry in store.operations.list_audit()}
    assert changed == {first: 0, second: None}


def check_entries_are_listed_in_pages(store: OperatedStore) -> None:
    """The highest id comes first, whenever it was recorded."""
    operations, recorded = store.operations, new_ids(5)
    for place, entry_id in enumerate(recorded):
        operations.begin_audit(entry_id, "retry", "mail", now=NOW - place * SECOND)
    first = operations.list_audit(Page(2))
    assert ids(first) == [recorded[4], recorded[3]]
    second = operations.list_audit(Page(2, first.after))
    assert ids(second) == [recorded[2], recorded[1]]
    last = operations.list_audit(Page(2, second.after))
    assert (ids(last), last.after) == ([recorded[0]], None)
    assert ids(operations.list_audit(Page(3, recorded[3]))) == recorded[2::-1]
    assert operations.list_audit(Page(2, recorded[2])).after is None
    assert operations.list_audit(Page(0)) == []
    assert operations.list_audit(Page(9, recorded[0])) == []


def check_entries_are_listed_by_author_and_action(store: OperatedStore) -> None:
    """Both have to be equal; without them, all entries are listed."""
    operations = store.operations
    by_ada, by_bob = _begun(store, "ada"), _begun(store, "bob")
    deleted, anonymous = _begun(store, "ada", "delete"), _begun(store, None)
    assert set(ids(operations.list_audit())) == {by_ada, by_bob, deleted, anonymous}
    assert set(ids(operations.list_audit(author="ada"))) == {by_ada, deleted}
    assert ids(operations.list_audit(author="ada", action="retry")) == [by_ada]
    assert ids(operations.list_audit(action="delete")) == [deleted]
    assert operations.list_audit(author="Ada") == []
    assert operations.list_audit(action="ret") == []


def check_entries_are_pruned_by_age(store: OperatedStore) -> None:
    """One of exactly the age is kept, and the oldest are deleted first."""
    operations, recorded = store.operations, new_ids(4)
    for place, entry_id in enumerate(recorded):
        operations.begin_audit(entry_id, "retry", "mail", now=NOW - place * SECOND)
    assert operations.prune_audit(DAY, limit=9, now=NOW + DAY - 3 * SECOND) == 0
    assert operations.prune_audit(DAY, limit=9, now=NOW + DAY - 3 * SECOND + TICK) == 1
    assert operations.prune_audit(DAY, limit=2, now=LATE) == 2
    assert ids(operations.list_audit()) == [recorded[0]]
    assert operations.prune_audit(DAY, limit=0, now=LATE) == 0
    assert operations.prune_audit(DAY, limit=2, now=LATE) == 1
    assert operations.prune_audit(DAY, limit=2, now=LATE) == 0


def check_an_age_beyond_the_calendar_prunes_no_entry(store: OperatedStore) -> None:
    """Such an age is no error of the database."""
    entry_id = _begun(store)
    for age in (timedelta.max, timedelta(days=36_500)):
        assert store.operations.prune_audit(age, limit=9, now=NOW + DAY) == 0
        assert store.operations.prune_audit(age, limit=9) == 0
    assert ids(store.operations.list_audit()) == [entry_id]
