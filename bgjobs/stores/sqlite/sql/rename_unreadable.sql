-- What another program put there under no id gets one, by which it can be named; behind all
-- others, so that a page that is read now, or the next one, has it.
update {jobs_unreadable} set id = lower(
    '00000000-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2)
    || '-8' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))
)
where id not like '________-____-____-____-____________'
    or length(replace(id, '-', '')) <> 32
    or replace(id, '-', '') glob '*[^0-9a-f]*';
