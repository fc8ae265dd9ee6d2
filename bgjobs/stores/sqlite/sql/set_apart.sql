-- From each of the three tables, in two steps; a row that was reserved, given back or
-- ended since it was read stays.
insert into {jobs_unreadable} (id, origin, reason, found_at, job_id, {job_names})
select
    case
        when exists (select 1 from {jobs_unreadable} as other where other.id = :id)
        then :other_id
        else :id
    end,
    'jobs', :reason, :now, id,
    {job_names}
from {jobs}
where id = cast(:key as text)
    and reserved_by is cast(:owner as text)
    and reservations = :number
returning id;

delete from {jobs}
where id = cast(:key as text)
    and reserved_by is cast(:owner as text)
    and reservations = :number;

insert into {jobs_unreadable} (id, origin, reason, found_at, job_id, {succeeded_names})
select
    case
        when exists (select 1 from {jobs_unreadable} as other where other.id = :id)
        then :other_id
        else :id
    end,
    'jobs_succeeded', :reason, :now, id,
    {succeeded_names}
from {jobs_succeeded}
where id = cast(:key as text)
returning id;

delete from {jobs_succeeded}
where id = cast(:key as text);

insert into {jobs_unreadable} (id, origin, reason, found_at, job_id, {failed_names})
select
    case
        when exists (select 1 from {jobs_unreadable} as other where other.id = :id)
        then :other_id
        else :id
    end,
    'jobs_failed', :reason, :now, id,
    {failed_names}
from {jobs_failed}
where id = cast(:key as text)
returning id;

delete from {jobs_failed}
where id = cast(:key as text);
