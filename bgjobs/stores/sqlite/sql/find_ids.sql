-- In one statement, so that a job is seen which moves from one table to another.
select id from (
    select id from {jobs} where id between :first and :last order by id limit :limit
)
union
select id from (
    select id from {jobs_succeeded} where id between :first and :last order by id limit :limit
)
union
select id from (
    select id from {jobs_failed} where id between :first and :last order by id limit :limit
)
union
select id from (
    select id from {jobs_unreadable} where id between :first and :last order by id limit :limit
)
order by id
limit :limit;
