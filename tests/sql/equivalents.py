"""Mutants that no check can reject, because another part of the statement ensures the same."""

import re

from tests.sql.mutants import Mutant

_AS_FOUND = "the statement before it has found the same rows, in the same transaction"
_NARROWER = "it only narrows what is compared with the same ids beside it, for speed"
_COMPARED = "what is found is compared with the whole reservation in Python"
_GONE = "no other failed job is live, or has use for what was asked of it"
_ASKED = "a run of a schedule that is asked for does not wait, because it is not put back"
_BETWEEN = "a job that is put back between two statements would be asked for when it runs"
_NOT_BOTH = "no id is live and ended at once, but in the race that the statement refuses"
_EITHER_WAY = "both ways give the same rows, unless a lock is given up within the statement"
_RUNS = "what it finds is used only beside `runs`, which has the same condition"
_LEFT_OVER = "a live job that is not held for its end has no use for its mark"
_HAS_MARK = "each job that the owner of marks holds has one"
_LATER = "the statement behind it takes back what is live"

EQUIVALENT: dict[tuple[str, str, str], str] = {
    ("sqlite", r"delete from \{jobs\}\s+where id = cast", r".*reserv.*"): _AS_FOUND,
    ("sqlite", r"update \{jobs\} set\s+reserved_at", r"without reserved_by is null"): _AS_FOUND,
    ("sqlite", r"select\s+asked\.job_id, job\.res", r".*(asked\.job_id =|reserv).*"): _COMPARED,
    ("sqlite", r"select\s+asked\.job_id, job\.res", r"without exists.*"): _NARROWER,
    ("sqlite", r"delete from \{jobs_.*where exists", r"without job\.id = asked\.value"): _GONE,
    ("sqlite", r"with settled.*reserved_by = :owner", r".*(owner|number)"): _AS_FOUND,
    ("sqlite", r"delete from \{marked_ends\}", r"without not exists.*"): _LEFT_OVER,
    ("sqlite", r"select distinct", r"without job\.id = mark\.job_id"): _HAS_MARK,
    ("postgres", r"select distinct", r"without job\.id = mark\.job_id"): _HAS_MARK,
    ("postgres", r"", r"without (ended|live)\.id = any\(%\(ids?\)s.*"): _NARROWER,
    ("postgres", r"select 1 / \(count", r"without id = any\(%\(ids?\)s.*"): _NOT_BOTH,
    ("postgres", r".*as restored", r"without not exists \(select from \{jobs\}.*"): _LATER,
    ("postgres", r"delete from \{jobs_failed\} as job", r"without job\.id = any.*"): _GONE,
    ("postgres", r"with asked as mat", r"without asked\.job_id = any.*"): _NARROWER,
    ("postgres", r"with asked as mat", r"without job\.occurrence is not null"): _COMPARED,
    ("postgres", r"with asked as mat", r"without job\.reserved_by is not null"): _ASKED,
    ("postgres", r"with recursive alive", r"without (not )?exists.*enough\)"): _EITHER_WAY,
    ("postgres", r"with recursive alive", r"without exists.*alive\) #2"): _RUNS,
    ("postgres", r"with recursive alive", r"without first\.reserved_by is null"): _EITHER_WAY,
    ("postgres", r"insert into \{canc", r"without job\.reserved_by is not null"): _BETWEEN,
    ("postgres", r"update.* set unique_key = null", r".*(owner|number)"): _AS_FOUND,
    ("postgres", r".*%\(unique_key\)s::text", r".*(owner|number|id <> all.*)"): _AS_FOUND,
}
"""The reason for each: by dialect, how its statement begins, and what was changed."""


def reason_of(mutant: Mutant) -> str | None:
    """Return why a mutant is as good as its statement, or None."""
    what = re.sub(r"^\d+: ", "", mutant.what)
    for (dialect, statement, change), reason in EQUIVALENT.items():
        is_of = dialect == mutant.dialect and re.match(statement, mutant.part, re.DOTALL)
        if is_of and re.fullmatch(rf"(?:{change})(?: #\d+)?", what):
            return reason
    return None
