"""Searches for failed jobs by the words of their errors."""

from bgjobs.stores.pages import Page
from bgjobs.stores.port import Store
from bgjobs.testing.contract.steps import (
    NOW,
    SECOND,
    ask,
    fail,
    ids,
    lose,
    put,
    search,
    start,
    take,
    walk,
)


def check_failed_jobs_are_found_by_their_words(store: Store) -> None:
    """All words must match, in any order and case; the last failure comes first."""
    first = lose(store, "ConnectionError: db-1.example.org refused port 5432")
    second = lose(store, "ConnectionError: db-2.example.org timed out")
    assert search(store, "connectionerror") == [second.id, first.id]
    assert search(store, "REFUSED ConnectionError") == [first.id]
    assert search(store, "refused timed") == []
    assert search(store, "db 1") == [first.id]
    assert search(store, "5432") == [first.id]


def check_a_star_lets_the_last_word_be_a_beginning(store: Store) -> None:
    """Other words, and words without a star, must match as a whole."""
    job = lose(store, "TimeoutError: no answer")
    assert search(store, "timeout") == []
    assert search(store, "timeout*") == [job.id]
    assert search(store, "answer time*") == [job.id]
    assert search(store, "timeout answer*") == []
    assert search(store, "outerror*") == []


def check_no_language_of_the_database_is_spoken(store: Store) -> None:
    """Operators, quotes and symbols of the database are words or separators."""
    job = lose(store, 'ValueError: a OR b NOT c NEAR d, summary: it\'s "quoted" 50% (x) & y|z!')
    for word in ("or", "not", "near", "summary", "quoted", "x", "y", "z", "OR", "NOT", "AND*"):
        found = search(store, word)
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
        assert search(store, hostile) == [job.id]
    for absent in (
        "a OR nothing",
        '" OR "',
        "nothing' or 'a",
        "a:*b",
        "a <-> nothing",
        "%",
        "a{0}",
    ):
        assert job.id not in search(store, f"nothing {absent}")
    assert search(store, "50 {0}%(words)s:words*") == []


def check_words_of_all_scripts_are_found(store: Store) -> None:
    """Characters that the database does not take for letters are no error."""
    job = lose(store, "ValueError: größe Привет 日本 cafe\u0301 x²")
    assert search(store, "valueerror") == [job.id]
    for word in ("größe", "Größe", "привет", "cafe\u0301"):
        assert search(store, word) == [job.id]
    for word in ("日本", "²", "½", "①*", "x²", "\u0301", "🦉", "_"):
        assert set(search(store, f"valueerror {word}")) <= {job.id}
    assert search(store, "grosse") == []


def check_words_that_only_divide_find_nothing_more(store: Store) -> None:
    """A search without any word finds nothing; separators beside words are ignored."""
    job = lose(store, "ValueError: x")
    assert search(store, "²") == []
    assert search(store, "½*") == []
    assert search(store, "valueerror --") == [job.id]


def check_only_the_first_line_is_searched(store: Store) -> None:
    """Of the first line, 200 characters are searched; the traceback is not."""
    short = lose(store, "ValueError: short\n\nTraceback (most recent call last):\n  deep")
    long = lose(store, "ValueError: " + "y" * 170 + " early " + "z" * 20 + " late")
    assert search(store, "short") == [short.id]
    assert search(store, "early") == [long.id]
    for word in ("traceback", "deep", "late"):
        assert search(store, word) == []
    assert search(store, "valueerror") == [long.id, short.id]


def check_found_jobs_come_page_by_page(store: Store) -> None:
    """Pages are complete and disjoint, also for jobs that failed at the same instant."""
    put(store, *(ask() for _ in range(6)), ask("purge"))
    held = take(store, start(store), ["mail", "purge"])
    store.write(settle=[fail(job, "ValueError: same") for job in held], now=NOW)
    later = lose(store, "ValueError: later", now=NOW + SECOND)
    for name, expected in ((None, 8), ("mail", 7), ("purge", 1), ("other", 0)):
        everything = search(store, "valueerror", name=name)
        assert len(set(everything)) == len(everything) == expected
        assert ids(walk(store, "failed", 2, search="valueerror", name=name)) == everything
    assert search(store, "valueerror")[0] == later.id
    assert search(store, "valueerror", Page(0)) == []


def check_beginnings_of_words_come_page_by_page(store: Store) -> None:
    """Pages are complete for frequent and for rare prefixes."""
    errors = ("route alpha-1", "Router", "en route", "ROUTES x", "detour", "route B", "Route")
    jobs = [lose(store, error, now=NOW + place * SECOND) for place, error in enumerate(errors)]
    expected = [job.id for job, error in zip(jobs, errors, strict=True) if error != "detour"]
    for name in (None, "mail"):
        assert ids(walk(store, "failed", 2, search="rout*", name=name)) == expected[::-1]
    assert search(store, "alpha rout*", Page(1)) == [jobs[0].id]
    assert search(store, "route x*", Page(1)) == []


def check_a_search_does_not_go_on_behind_an_id(store: Store) -> None:
    """An id does not locate the next page once its job is deleted."""
    job = lose(store)
    refused = ""
    try:
        search(store, "gone", Page(5, after=job.id))
    except ValueError as error:
        refused = str(error)
    assert "expected the cursor of a search, found an id" in refused
