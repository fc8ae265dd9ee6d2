-- Texts are cut: a page of whole ones may be too much. One character more tells that.
select id, origin, reason, found_at, job_id, {unreadable_cut}
from {jobs_unreadable}
where id <= coalesce(%(after)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    and id is distinct from %(after)s
order by id desc
limit %(limit)s;

select id, origin, reason, found_at, job_id, {unreadable_cut}
from {jobs_unreadable}
where id = %(id)s::uuid or job_id = %(id)s::uuid
order by id <> %(id)s, id
limit 1;
