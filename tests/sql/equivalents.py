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
_ORDER = "it only locks the same rows in the order of their ids, so that no two calls deadlock"
_A_PARENT = "what holds, and was not written, has children"
_GONE_TOO = "the statements before it have deleted the job, or found none"
_SINCE = "no method returns since when a job waits"
_NULL = "null is not distinct from the owner in the next condition"
_NO_ROWS = "without such rows, none of the conditions behind it holds"
_ONE_PARENT = "what was found belongs to this parent or to none"
_LATER = "the statement behind it takes back what is live"
_STRANGE = "only other programs write such rows: tests/integration/test_hostile_children.py"

EQUIVALENT: dict[tuple[str, str, str], str] = {
    ("sqlite", r"delete from \{jobs\}\s+where id = cast", r".*reserv.*"): _AS_FOUND,
    ("sqlite", r"update \{jobs\} set\s+reserved_at", r"without reserved_by is null"): _AS_FOUND,
    ("sqlite", r"select\s+job\.id, job\.res", r".*(job\.id =|reserv).*"): _COMPARED,
    ("sqlite", r"select\s+job\.id, job\.res", r"without exists.*"): _NARROWER,
    ("sqlite", r"select\s+job\.id, job\.res", r"without (\( exists|parent_id is).*"): _NO_ROWS,
    ("sqlite", r"delete from \{jobs_.*where exists", r"without job\.id = asked\.value"): _GONE,
    ("sqlite", r"with settled.*reserved_by = :owner", r".*(owner|number)"): _AS_FOUND,
    ("sqlite", r"delete from \{marked_ends\}", r"without not exists.*"): _LEFT_OVER,
    ("sqlite", r"select distinct", r"without job\.id = mark\.job_id"): _HAS_MARK,
    ("postgres", r"select distinct", r"without job\.id = mark\.job_id"): _HAS_MARK,
    ("sqlite", r"select job\.id, job\.res", r"without job\.has_children"): _A_PARENT,
    ("postgres", r"select job\.id, job\.res", r"without job\.has_children"): _A_PARENT,
    ("postgres", r"select job\.id, job\.res.*order by", r".*held\..*"): _COMPARED,
    ("sqlite", r"insert into \{canc.*parent_id", r"without .*by is not null"): _NULL,
    ("sqlite", r"insert into \{canc.*parent_id", r"without length\(job\.id\).*"): _STRANGE,
    ("postgres", r"insert into \{canc.*parent_id", r"without .*by is not null"): _NULL,
    ("sqlite", r"delete from \{children", r"without (child_id|not .*jobs_).*"): _GONE_TOO,
    ("postgres", r"delete from \{children", r"without (child\.|not .*jobs_).*"): _GONE_TOO,
    ("sqlite", r"insert into \{wait", r"without number <> .*"): _SINCE,
    ("postgres", r"insert into \{wait", r"without \{waiting_jobs\}.*"): _SINCE,
    ("sqlite", r"update \{jobs\} set parent_id", r"without parent_id is null"): _ONE_PARENT,
    ("postgres", r"with adopted", r"without one\.parent_id is null"): _ONE_PARENT,
    ("postgres", r"with (adopted|marked)", r"not locked|without job\.id = any\(a.*"): _ORDER,
    ("postgres", r"", r"without (ended|live)\.id = any\(%\(ids?\)s.*"): _NARROWER,
    ("postgres", r"select 1 / \(count", r"without id = any\(%\(ids?\)s.*"): _NOT_BOTH,
    ("postgres", r".*as restored", r"without not exists \(select from \{jobs\}.*"): _LATER,
    ("postgres", r"delete from \{jobs_failed\} as job", r"without job\.id = any.*"): _GONE,
    ("postgres", r"with family as mat", r"without job\.id = any.*"): _NARROWER,
    ("postgres", r"with family as mat", r"without job\.occurrence is not null"): _COMPARED,
    ("postgres", r"with family as mat", r"without job\.reserved_by is not null"): _ASKED,
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
