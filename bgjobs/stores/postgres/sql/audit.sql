-- name: begin_audit
insert into {audit} (id, at, author, action, subject)
values (
    %(id)s, coalesce(%(now)s::timestamptz, now()), %(author)s::text, %(action)s::text,
    %(subject)s::text
)
on conflict (id) do nothing;


-- name: end_audit
update {audit} set changed = %(changed)s::bigint where id = %(id)s::uuid;


-- name: list_audit
-- Other programs may write times that no datetime represents, and longer texts.
select
    id, at, pg_catalog.left(author, 200), pg_catalog.left(action, 100),
    pg_catalog.left(subject, 2000), changed
from {audit}
where id <= coalesce(%(after)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    and id is distinct from %(after)s
    and at between '0001-01-01 00:00:00+00' and '9999-12-31 23:59:59.999999+00'
    and (%(author)s::text is null or author = %(author)s)
    and (%(action)s::text is null or action = %(action)s)
order by id desc
limit %(limit)s;


-- name: prune_audit
-- "skip locked": several processes prune at once, and none waits for another.
delete from {audit} where id = any(array(
    select id from {audit}
    where at < coalesce(%(now)s::timestamptz, now())
        - %(kept_for)s::double precision * interval '1 microsecond'
    order by at
    limit %(limit)s
    for update skip locked
))
returning id;
