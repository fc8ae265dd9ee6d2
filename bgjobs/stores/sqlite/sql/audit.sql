-- name: begin_audit
insert into {audit} (id, at, author, action, subject)
values (:id, :now, :author, :action, :subject)
on conflict (id) do nothing;


-- name: end_audit
update {audit} set changed = :changed where id = :id;


-- name: list_audit
-- Other programs may write ids that are no UUIDs, times that no datetime represents, and longer texts.
-- "+at" keeps the planner from the index of times, whose rows would have to be sorted
-- (https://sqlite.org/optoverview.html#disqualifying_where_clause_terms_using_unary_).
select
    id, at, substr(author, 1, 200), substr(action, 1, 100), substr(subject, 1, 2000), changed
from {audit}
where id < coalesce(:after, zeroblob(0))
    and id glob :form
    and +at between :earliest and :latest
    and (:author is null or author = :author)
    and (:action is null or action = :action)
order by id desc
limit :limit;


-- name: prune_audit
delete from {audit} where id in (
    select id from {audit} indexed by {audit_at} where at < :before order by at limit :limit
)
returning id;
