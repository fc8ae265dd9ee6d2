"""The listings of `Operations`, and the search for failed jobs."""

from collections.abc import Sequence
from uuid import UUID

from attrs import evolve

from bgjobs._core.ids import new_id
from bgjobs._core.jobs import Job
from bgjobs.stores.operations import Failures, OperatedStore
from bgjobs.stores.pages import FIRST_PAGE, Page
from bgjobs.stores.types import Owner
from bgjobs.testing.contract.steps import (
    DAY,
    LEASE,
    NOW,
    OCCURRENCE,
    SECOND,
    TICK,
    ask,
    at_once,
    fail,
    hold,
    ids,
    lose,
    put,
    put_one,
    start,
    succeed,
    take,
)


def _find(
    store: OperatedStore, *words: str, page: Page = FIRST_PAGE, name: str | None = None
) -> Sequence[UUID]:
    """Search; assert that `get_failed` and `get_failed_ids` agree."""
    chosen = Failures(name=name, words=words)
    found = store.operations.get_failed_ids(chosen, page)
    assert found == ids(store.operations.get_failed(chosen, page))
    return found


def check_failed_jobs_are_found_by_their_words(store: OperatedStore) -> None:
    """All words must match, in any order and case; the last failure comes first."""
    first = lose(store, "ConnectionError: db-1.example.org refused port 5432")
    second = lose(store, "ConnectionError: db-2.example.org timed out")
    assert _find(store, "connectionerror") == [second.id, first.id]
    assert _find(store, "REFUSED", "ConnectionError") == [first.id]
    assert _find(store, "refused", "timed") == []
    assert _find(store, "db", "1") == [first.id]
    assert _find(store, "5432") == [first.id]


def check_a_star_lets_the_last_word_be_a_beginning(store: OperatedStore) -> None:
    """Other words, and words without a star, must match as a whole."""
    job = lose(store, "TimeoutError: no answer")
    assert _find(store, "timeout") == []
    assert _find(store, "timeout*") == [job.id]
    assert _find(store, "answer", "time*") == [job.id]
    assert _find(store, "timeout", "answer*") == []
    assert _find(store, "outerror*") == []


def check_no_language_of_the_database_is_spoken(store: OperatedStore) -> None:
    """Operators, quotes and symbols of the database are words or separators."""
    job = lose(store, 'ValueError: a OR b NOT c NEAR d, summary: it\'s "quoted" 50% (x) & y|z!')
    for word in ("or", "not", "near", "summary", "quoted", "x", "y", "z", "OR", "NOT", "AND*"):
        found = _find(store, word)
        assert found == ([] if word == "AND*" else [job.id])
    for hostile in (
        '"quoted"',
        "it's",
        "x)",
        "(x",
        "y&z",
        "y|z",
        "!a",
        "summary:b",
        "^a",
        "-c",
    ):
        assert _find(store, hostile) == [job.id]
    for absent in (
        "a OR nothing",
        '" OR "',
        "nothing' or 'a",
        "a:*b",
        "a <-> nothing",
        "%",
        "a{0}",
    ):
        assert job.id not in _find(store, "nothing", absent)
    assert _find(store, "50", "{0}%(words)s:words*") == []


def check_words_of_all_scripts_are_found(store: OperatedStore) -> None:
    """Characters that the database does not take for letters are no error."""
    job = lose(store, "ValueError: größe Привет 日本 cafe\u0301 x²")
    assert _find(store, "valueerror") == [job.id]
    for word in ("größe", "Größe", "привет", "cafe\u0301"):
        assert _find(store, word) == [job.id]
    for word in ("日本", "²", "½", "①*", "x²", "\u0301", "🦉", "_"):
        assert set(_find(store, "valueerror", word)) <= {job.id}
    assert _find(store, "grosse") == []


def check_words_that_only_divide_find_nothing_more(store: OperatedStore) -> None:
    """A search without any word finds nothing; separators beside words are ignored."""
    job = lose(store, "ValueError: x")
    assert _find(store, "²") == []
    assert _find(store, "½*") == []
    assert _find(store, "valueerror", "--") == [job.id]


def check_only_the_first_line_is_searched(store: OperatedStore) -> None:
    """Of the first line, 200 characters are searched; the traceback is not."""
    short = lose(store, "ValueError: short\n\nTraceback (most recent call last):\n  deep")
    long = lose(store, "ValueError: " + "y" * 170 + " early " + "z" * 20 + " late")
    assert _find(store, "short") == [short.id]
    assert _find(store, "early") == [long.id]
    for word in ("traceback", "deep", "late"):
        assert _find(store, word) == []
    assert _find(store, "valueerror") == [long.id, short.id]


def check_found_jobs_come_page_by_page(store: OperatedStore) -> None:
    """Pages are complete and disjoint, also for jobs that failed at the same instant."""
    put(store, *(ask() for _ in range(6)), ask("purge"))
    held = take(store, start(store), ["mail", "purge"])
    store.write(settle=[fail(job, "ValueError: same") for job in held], now=NOW)
    later = lose(store, "ValueError: later", now=NOW + SECOND)
    for name, expected in ((None, 8), ("mail", 7), ("purge", 1), ("other", 0)):
        everything = _find(store, "valueerror", name=name)
        assert len(set(everything)) == len(everything) == expected
        paged: list[UUID] = []
        page = Page(2)
        while found := _find(store, "valueerror", name=name, page=page):
            paged += found
            page = page.behind(found)
        assert paged == everything
    assert _find(store, "valueerror")[0] == later.id
    assert _find(store, "valueerror", page=Page(0)) == []


def check_beginnings_of_words_come_page_by_page(store: OperatedStore) -> None:
    """Pages are complete for frequent and for rare prefixes."""
    errors = ("route alpha-1", "Router", "en route", "ROUTES x", "detour", "route B", "Route")
    jobs = [lose(store, error, now=NOW + place * SECOND) for place, error in enumerate(errors)]
    expected = [job.id for job, error in zip(jobs, errors, strict=True) if error != "detour"]
    for name in (None, "mail"):
        paged: list[UUID] = []
        page = Page(2)
        while found := _find(store, "rout*", name=name, page=page):
            paged += found
            page = page.behind(found)
        assert paged == expected[::-1]
    assert _find(store, "alpha", "rout*", page=Page(1)) == [jobs[0].id]
    assert _find(store, "route", "x*", page=Page(1)) == []


def check_a_search_goes_on_behind_what_has_gone(store: OperatedStore) -> None:
    """The cursor stays valid after its job was retried."""
    first, second, third = lose(store), lose(store), lose(store)
    for name in (None, "mail"):
        found = _find(store, "gone", name=name, page=Page(1))
        assert found == [third.id]
        following = Page(5).behind(found)
        store.operations.retry([third.id], now=NOW)
        assert _find(store, "gone", name=name, page=following) == [second.id, first.id]
        [held] = take(store, start(store), ["mail"])
        store.write(settle=[fail(held, "ValueError: gone")], now=NOW + SECOND)
        assert _find(store, "gone", name=name, page=following) == [second.id, first.id]
        rows = store.operations.get_failed(Failures(name=name, words=("gone",)), Page(1))
        store.operations.retry(ids(rows), now=NOW)
        assert ids(
            store.operations.get_failed(
                Failures(name=name, words=("gone",)), Page(5).behind(rows)
            )
        ) == [second.id, first.id]
        [held] = take(store, start(store), ["mail"])
        store.write(settle=[fail(held, "ValueError: gone")], now=NOW + SECOND)


def check_a_search_does_not_go_on_behind_an_id(store: OperatedStore) -> None:
    """An id does not locate the next page once its job is deleted."""
    job = lose(store)
    refused = ""
    try:
        _find(store, "gone", page=Page(5, after=job.id))
    except ValueError as error:
        refused = str(error)
    assert "expected the cursor of a search, found an id" in refused


def check_failed_jobs_of_a_worker_and_of_a_time(store: OperatedStore) -> None:
    """The newest job comes first; `before` excludes the instant itself."""
    jobs: list[Job] = [
        lose(store, "ValueError: x", name=name, now=NOW + place * SECOND)
        for place, name in enumerate(["mail", "purge", "mail"])
    ]
    get = store.operations.get_failed_ids
    assert get() == [jobs[2].id, jobs[1].id, jobs[0].id]
    assert get(Failures(name="mail")) == [jobs[2].id, jobs[0].id]
    assert get(Failures(name="mail"), Page(1, after=jobs[2].id)) == [jobs[0].id]
    for words in ((), ("valueerror",)):
        before = Failures(words=words, before=NOW + SECOND)
        assert get(before) == [jobs[0].id]
        assert get(evolve(before, name="purge")) == []
        assert get(evolve(before, before=NOW + 2 * SECOND, name="purge")) == [jobs[1].id]
    assert ids(store.get_failed("mail")) == [jobs[2].id, jobs[0].id]


def check_what_has_gone_is_not_found(store: OperatedStore) -> None:
    """Pruned and retried jobs leave the search index; restored and cancelled ones enter it."""
    old, new = lose(store, "E: word", now=NOW - DAY), lose(store, "E: word")
    assert _find(store, "word") == [new.id, old.id]
    [kept] = store.operations.get_failed(Failures(before=NOW))
    assert store.prune(succeeded_for=None, failed_for=SECOND, limit=9, now=NOW) == 1
    assert _find(store, "word") == [new.id]
    store.operations.retry([new.id], now=NOW)
    assert _find(store, "word") == []
    store.operations.restore([kept])
    assert _find(store, "word") == [old.id]
    store.operations.cancel([new.id], "other word", now=NOW)
    assert set(_find(store, "word")) == {new.id, old.id}
    assert _find(store, "cancelled", "other") == [new.id]


def check_threads_that_fail_and_retry_keep_the_index(store: OperatedStore) -> None:
    """In the end the search finds each failed job once, by its own word."""

    def work(number: int) -> UUID:
        name = f"w{number}"
        job = lose(store, f"E: word{number}", name=name)
        for _ in range(3):
            store.operations.retry([job.id], now=NOW)
            held = take(store, start(store), [name])
            store.write(settle=[fail(one, f"E: word{number}") for one in held], now=NOW)
        return job.id

    for number, job_id in enumerate(at_once(work)):
        assert _find(store, f"word{number}") == [job_id]


def check_live_owners_are_listed(store: OperatedStore) -> None:
    """They are ordered by name, with the rest of their lease and their number of jobs."""
    later = Owner(new_id(), "b", "node-2")
    first = Owner(new_id(), "a", "node-1")
    for one, lease in ((later, LEASE), (first, 2 * LEASE)):
        store.open_owner(one, lease, now=NOW)
    put(store, ask(), ask())
    take(store, later.id)
    found = store.operations.get_owners(now=NOW + SECOND)
    assert [(one.id, one.name, one.node) for one in found] == [
        (first.id, "a", "node-1"),
        (later.id, "b", "node-2"),
    ]
    assert [one.running for one in found] == [0, 2]
    assert [one.lease_left for one in found] == [2 * LEASE - SECOND, LEASE - SECOND]
    assert [one.opened_at for one in found] == [NOW, NOW]
    assert len(store.operations.get_owners(now=NOW + LEASE - TICK)) == 2
    assert ids(store.operations.get_owners(now=NOW + LEASE)) == [first.id]
    store.close_owners([first.id], now=NOW)
    assert ids(store.operations.get_owners(now=NOW)) == [later.id]


def check_waiting_jobs_are_listed_as_due_or_delayed(store: OperatedStore) -> None:
    """The oldest job comes first, in pages, for one worker or for all."""
    due = put(store, ask(), ask(available_in=SECOND), ask("purge"))
    delayed = put(store, ask(available_in=DAY), ask("purge", available_in=DAY))
    hold_until = NOW + SECOND
    get = store.operations.get_waiting
    assert ids(get(delayed=False, now=hold_until)) == ids(due)
    assert ids(get(delayed=True, now=hold_until)) == ids(delayed)
    assert ids(get("purge", delayed=False, now=hold_until)) == [due[2].id]
    assert ids(get("purge", delayed=True, now=hold_until)) == [delayed[1].id]
    assert ids(get(delayed=True, now=hold_until - TICK)) == [due[1].id, *ids(delayed)]
    page = Page(1, after=due[0].id)
    assert ids(get(delayed=False, page=page, now=hold_until)) == [due[1].id]
    take(store, start(store))
    assert ids(get("mail", delayed=False, now=hold_until)) == [due[1].id]


def check_running_jobs_of_a_worker_are_listed(store: OperatedStore) -> None:
    """The oldest job comes first; any owner may have it."""
    jobs = put(store, ask(), ask("purge"), ask())
    take(store, start(store), limit=1)
    take(store, start(store), ["mail", "purge"])
    get = store.operations.get_named_running
    assert ids(get()) == ids(jobs)
    assert ids(get("mail")) == [jobs[0].id, jobs[2].id]
    assert ids(get("mail", Page(5, after=jobs[0].id))) == [jobs[2].id]
    assert get("other") == []


def check_the_names_of_waiting_jobs_are_told_once(store: OperatedStore) -> None:
    """Due and delayed jobs count; running and ended ones do not."""
    names = store.operations.get_waiting_names
    assert list(names(10)) == []
    hold(store)
    lose(store, "ValueError: gone")
    put(store, ask("b"), ask("a", available_in=DAY), ask("b", priority=-3), ask("B"), ask("é"))
    assert sorted(names(10)) == sorted(["a", "b", "B", "é"])
    assert sorted(names(4)) == sorted(["a", "b", "B", "é"])
    assert len(set(names(3))) == 3
    assert list(names(0)) == []


def check_ids_are_found_between_two(store: OperatedStore) -> None:
    """Both bounds are included; live and ended jobs are listed, the lowest id first."""
    failed, done, running = lose(store, "ValueError: gone"), hold(store), hold(store)
    store.write(settle=[succeed(done)], now=NOW)
    waiting = put_one(store)
    find, every = store.operations.find_ids, sorted(ids([waiting, running, failed, done]))
    assert list(find(every[0], every[-1], 10)) == every
    assert list(find(every[0], every[-1], 2)) == every[:2]
    assert list(find(every[1], every[2], 10)) == every[1:3]
    assert list(find(every[1], every[1], 10)) == [every[1]]
    assert list(find(every[-1], every[0], 10)) == []
    assert list(find(new_id(), UUID(int=2**128 - 1), 10)) == []


def check_live_occurrences_are_found_among_all_jobs(store: OperatedStore) -> None:
    """Waiting and running ones of any worker count; ended ones do not."""
    put(store, ask(), ask("sms"))
    put_one(store, unique_key="schedule:ended", occurrence=OCCURRENCE)
    [*_, ended] = take(store, start(store))
    assert ids(store.operations.get_occurrences()) == [ended.id]
    store.write(settle=[succeed(ended)], now=NOW)
    waiting = put_one(store, "sms", unique_key="schedule:nightly", occurrence=OCCURRENCE)
    found = store.operations.get_occurrences()
    assert list(found) == [waiting]
    assert found[0].occurrence == OCCURRENCE
    assert list(store.operations.get_occurrences(Page(0))) == []


def check_live_occurrences_have_the_key_of_a_schedule_and_come_in_pages(
    store: OperatedStore,
) -> None:
    """The oldest comes first; other jobs with an occurrence do not count."""
    for key in (None, "k", "Schedule:a", "xschedule:a"):
        put_one(store, unique_key=key, occurrence=OCCURRENCE)
    put_one(store, unique_key="schedule:d")
    wanted = [
        put_one(store, unique_key=f"schedule:{one}", occurrence=OCCURRENCE).id for one in "cab"
    ]
    found = store.operations.get_occurrences(Page(2))
    assert ids(found) == sorted(wanted)[:2]
    assert ids(store.operations.get_occurrences(Page(2).behind(found))) == sorted(wanted)[2:]
