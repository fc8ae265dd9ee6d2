"""Names and texts of an attacker."""

NAMES = (
    "x'; drop table bgjobs_jobs; --",
    'x"; drop table "bgjobs_jobs"; --',
    "x') or 1=1 --",
    "%s %(name)s %%",
    "{jobs} {0} {schema}",
    ":name ?1 $1 @x",
    "null",
    "*",
    "a|attempt:0|worker:b",
    "../../etc/passwd",
    "\\x00 \\u0000 \\",
    "$$; select pg_sleep(9); $$",
    "a\nERROR b",
    "a\r\x1b[2J\x1b]0;owned\x07b",
    "a\u202egpj.exe",
    "a\u2028b\x85c",
    "<script>alert(1)</script>",
    "'" * 200,
    "\U0001f989" * 200,
)
"""Names that can be stored, and have to be returned unchanged."""

UNSTORABLE = ("\0", "a\0b", "\ud800", "a\udfffb", "")
"""Names that a database refuses or changes."""
