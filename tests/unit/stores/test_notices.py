"""Notices: what they report, how they are merged, and their payloads on PostgreSQL."""

import pytest

from bgjobs.stores.postgres.notices import notice_of, payloads_of
from bgjobs.stores.types import ANY_CHANGE, Notice

MAIL, FAX = Notice(frozenset({"mail"})), Notice(frozenset({"fax"}))
ANY_WORKER, COMMANDS = Notice(workers=None), Notice(commands=True)
ALL = [Notice(), MAIL, FAX | MAIL, COMMANDS, MAIL | COMMANDS, ANY_WORKER, ANY_CHANGE]


def _label(notice: Notice) -> str:
    """Return an id in which the names have an order."""
    names = ["any"] if notice.workers is None else sorted(notice.workers)
    return ",".join([*names, *(["commands"] if notice.commands else [])])


@pytest.mark.parametrize("notice", ALL, ids=_label)
def test_only_a_notice_of_a_change_is_true(notice: Notice) -> None:
    assert bool(notice) is (notice != Notice())


def test_a_merged_notice_reports_the_changes_of_both() -> None:
    assert Notice(frozenset({"mail", "fax"}), commands=True) == MAIL | FAX | COMMANDS
    assert MAIL | ANY_WORKER == ANY_WORKER | MAIL == ANY_WORKER
    assert ANY_WORKER | COMMANDS == ANY_CHANGE
    for notice in ALL:
        assert notice | Notice() == Notice() | notice == notice | notice == notice


@pytest.mark.parametrize("notice", ALL, ids=_label)
def test_payloads_become_the_same_notice(notice: Notice) -> None:
    assert notice_of(payloads_of(notice)) == notice


def test_the_payloads_are_those_of_the_previous_version() -> None:
    assert payloads_of(FAX | MAIL) == ["fax", "mail"]
    assert payloads_of(COMMANDS) == ["\x1borders"]
    assert payloads_of(MAIL | COMMANDS) == ["\x1borders", "mail"]
    assert payloads_of(Notice()) == [""]


def test_any_worker_is_a_payload_that_the_previous_version_ignores() -> None:
    """It compares payloads with names of workers, which have no control characters."""
    [payload] = payloads_of(ANY_WORKER)
    assert payload not in ("", "\x1borders")
    assert not payload.isprintable()


def test_payloads_of_other_programs_are_only_names() -> None:
    strange = ["\x1b", "\x1bOrders", "\x1borders ", "orders", "a\nb", "\x07", "x" * 7_999, " "]
    assert notice_of(strange) == Notice(frozenset(strange))
    assert notice_of([*strange, ""]) == Notice(frozenset(strange))
