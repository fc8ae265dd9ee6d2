-- Texts are cut: a page of whole ones may be too much. One character more tells that.
select id, origin, reason, found_at, job_id, {unreadable_cut}
from {jobs_unreadable}
where id < coalesce(:after, zeroblob(0))
order by id desc
limit :limit;

select id, origin, reason, found_at, job_id, {unreadable_cut}
from {jobs_unreadable}
where id = :id or job_id = :id
order by id <> :id, id
limit 1;
