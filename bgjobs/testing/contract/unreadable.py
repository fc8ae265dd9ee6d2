"""What cannot be read: nothing, of what a store has written itself."""

from bgjobs._core.ids import new_id
from bgjobs.stores.operations import OperatedStore
from bgjobs.stores.pages import unreadable_in
from bgjobs.testing.contract.steps import NOW, put_one


def check_what_a_store_has_written_can_be_read(store: OperatedStore) -> None:
    """So nothing is set apart, found, counted or put back."""
    job = put_one(store)
    assert unreadable_in(store.get_enqueued()) == ()
    operations = store.operations
    assert operations.set_apart([], now=NOW) == []
    assert list(operations.get_unreadable()) == []
    assert operations.find_unreadable(job.id) is None
    assert operations.count_unreadable() == 0
    assert list(operations.put_back([job.id, new_id()], now=NOW)) == []
    assert store.find(job.id) == job


def check_a_constraint_that_is_valid_is_not_validated_again(store: OperatedStore) -> None:
    """Validate each; then there are none that older rows may break."""
    operations = store.operations
    for constraint in operations.unvalidated():
        assert operations.validate(constraint, now=NOW) == 0
    assert list(operations.unvalidated()) == []
    assert operations.validate("unknown", now=NOW) == 0
