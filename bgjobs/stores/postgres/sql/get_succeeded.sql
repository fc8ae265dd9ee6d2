-- All, and those of one worker.
select {succeeded_columns}
from {jobs_succeeded}
where id <= coalesce(%(after)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    and id is distinct from %(after)s
order by id desc
limit %(limit)s;

select {succeeded_columns}
from {jobs_succeeded}
where name = %(name)s
    and id <= coalesce(%(after)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    and id is distinct from %(after)s
order by id desc
limit %(limit)s;
