"""Statements with one fault in their fence, each of which a checker has to refuse."""

import re
from collections.abc import Iterator

from attrs import field, frozen

from tests.unit.sql_tokens import tokens

_PART = re.compile(
    r"(?<!\w)(?P<left>(?:\w+\.)?(?:id|reserved_by|reservations|occurrence)) (?P<sign>=|is) "
    r"(?P<right>json_extract\([^)]*\)|any\(%\(\w+\)s::uuid\[\]\)|\w+\.\w+|:\w+|%\(\w+\)s|null)(?!\w)"
)
_CLAUSE_ENDS = frozenset(
    ["returning", "order", "limit", "union", "group", "on", "from", "where", "set"]
)


@frozen
class Mutant:
    """A statement with one fault."""

    what: str
    text: str = field(repr=False)


def mutants(text: str, because: str) -> Iterator[Mutant]:
    """Give every faulty variant of a statement that was accepted for this reason."""
    for site in _sites(text, because):
        for mutant in (*_of_part(text, site), *_of_clause(text, site)):
            place = text[: site.start()].count("\n") + 1
            yield Mutant(f"{place}-{site['left']}-{mutant.what}", mutant.text)
    yield from _of_rest(text, because)


def _sites(text: str, because: str) -> list[re.Match[str]]:
    """Find the comparisons that the fence is made of."""
    sites = [site for site in _PART.finditer(text) if not _is_set(text, site)]
    if because == "unreserved":
        # On PostgreSQL only the rows that are locked count.
        begin = max(text.find("picked as"), 0)
        return [one for one in sites if one["right"] == "null" and one.start() > begin]
    return sites


def _is_set(text: str, site: re.Match[str]) -> bool:
    return site["sign"] == "=" and site["right"] == "null"


def _of_part(text: str, site: re.Match[str]) -> Iterator[Mutant]:
    """Faults in the comparison itself."""
    left, sign, right = site["left"], site["sign"], site["right"]
    yield Mutant("taken away", _without(text, site))
    yield Mutant("denied", _put(text, site, f"not {site[0]}"))
    yield Mutant("optional", _put(text, site, f"(true or {site[0]})"))
    yield Mutant("commented out", _put(text, site, f"-- {site[0]}\ntrue"))
    yield Mutant("said in a string", _put(text, site, f"'{left}' is not null"))
    yield Mutant("with itself", _put(text, site, f"{left} {sign} {left}"))
    yield Mutant("with a constant", _put(text, site, f"{left} = 1"))
    yield Mutant("turned round", _put(text, site, f"{left} {_TURNED[sign]} {right}"))
    yield Mutant("of another row", _put(text, site, f"elsewhere.{site[0].split('.')[-1]}"))
    yield Mutant("of its left side only", _put(text, site, f"{left} is not null"))
    for part in ("id", "reserved_by", "reservations", "name"):
        if part != left.split(".")[-1]:
            other = left.removesuffix(left.split(".")[-1]) + part
            yield Mutant(f"as {part}", _put(text, site, f"{other} {sign} {right}"))


_TURNED = {"=": "<>", "is": "is not"}


def _put(text: str, site: re.Match[str], new: str) -> str:
    return text[: site.start()] + new + text[site.end() :]


def _without(text: str, site: re.Match[str]) -> str:
    before, after = text[: site.start()], text[site.end() :]
    if before.rstrip().endswith("and"):
        return before.rstrip().removesuffix("and") + after
    return before + after.lstrip().removeprefix("and")


def _of_clause(text: str, site: re.Match[str]) -> Iterator[Mutant]:
    """Faults in what joins the comparisons."""
    begin, end = _clause(text, site)
    yield Mutant("without its clause", text[:begin] + text[end:])
    for number, joint in enumerate(re.finditer(r"\band\b", text[begin:end])):
        if _depth(text[begin : begin + joint.start()]) == 0:
            start = begin + joint.start()
            yield Mutant(f"or instead of and {number}", f"{text[:start]}or{text[start + 3 :]}")


def _clause(text: str, site: re.Match[str]) -> tuple[int, int]:
    """Give where the clause of a comparison begins, with its keyword, and where it ends."""
    given = tokens(text)
    place = next(n for n, token in enumerate(given) if token.start == site.start())
    begin, depth = place, 0
    while depth or given[begin].text not in ("where", "on"):
        begin -= 1
        depth += {")": 1, "(": -1}.get(given[begin].text, 0)
    for token in given[place:]:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth < 0 or (depth == 0 and token.text in {*_CLAUSE_ENDS, "for"}):
            return given[begin].start, token.start
    return given[begin].start, len(text)


def _depth(text: str) -> int:
    return text.count("(") - text.count(")")


def _of_rest(text: str, because: str) -> Iterator[Mutant]:
    """Faults beside the comparisons: in what is set, locked, inserted or joined."""
    for what, old, new in _REPLACED:
        for number, found in enumerate(re.finditer(old, text)):
            changed = text[: found.start()] + found.expand(new) + text[found.end() :]
            yield Mutant(f"{what} {number}", changed)


_REPLACED = (
    ("kept reserved", r"reserved_by = null\b", "reserved_by = reserved_by"),
    ("kept its time", r"reserved_at = null\b", "reserved_at = reserved_at"),
    ("another number", r"reserved_at = null\b", "reserved_at = null, reservations = 0"),
    ("number not raised", r"reservations \+ 1", "reservations"),
    ("number not set", r",\s+reservations = (?:job\.)?reservations \+ 1", ""),
    ("not locked at all", r"for update\n", "\n"),
    ("locked to be read", r"for update\n", "for share\n"),
    (
        "another number of reservations",
        r"priority, (job\.)?reservations",
        r"priority, \1attempts",
    ),
    ("another job again", r"select\n    job\.id, job\.name", "select\n    job.name, job.name"),
    ("never failed", r"from \{jobs_failed\}\n", "from {jobs_succeeded}\n"),
    ("never failed, joined", r"cross join \{jobs_failed\}", "cross join {jobs_succeeded}"),
    (
        "all that failed",
        r"select id from again\)\)",
        "select id from asked))",
    ),
    ("more than may be", r"priority = coalesce", "attempts = coalesce"),
    ("not those that were given", r"json_each\(:ids\)", "json_each(:names)"),
    (
        "a known one written over",
        r"on conflict \(id\) do nothing",
        "on conflict (id) do update set id = 1",
    ),
    (
        "there in no other state",
        r"not exists (\(\s*select(?: 1)? from \{jobs)",
        r"exists \1",
    ),
    ("not locked", r"for update skip locked\n", "\n"),
    ("locked to share", r"for update skip locked\n", "for share\n"),
    ("all of them", r"from settled\n", "from {jobs}\n"),
    ("an outer join", r"settled cross join", "settled left join"),
    (
        "by another settlement",
        r"json_each\(:settled\) as settled",
        "json_each(:names) as settled",
    ),
    ("by other settlements", r"from json_each\(:settled\)\n", "from json_each(:names)\n"),
    ("the parts exchanged", r"'\$\[1\]'", "'$[2]'"),
    ("the arrays exchanged", r"%\((owners|numbers)\)s", "%(ids)s"),
    ("one of some", r"held \((id), (owner)", r"held (\2, \1"),
    ("any or none", r"where rowid in", "where rowid not in"),
    ("any key", r"where rowid in", "where reservations in"),
    ("any row", r"select job\.rowid", "select settled.key"),
    ("another upsert", r"on conflict \(id\) do update", "on conflict (name) do update"),
    ("another insert", r"insert into \{jobs\}", "insert or replace into {jobs}"),
    ("another id", r"select\n    job\.id,", "select\n    settled.number,"),
    ("one more union", r"from best\)", "from best union all select rowid from {jobs})"),
)
