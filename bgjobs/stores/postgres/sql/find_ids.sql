-- In one statement, so that a job is seen which moves from one table to another.
select id from (
    (
        select id from {jobs} where id between %(first)s and %(last)s
        order by id limit %(limit)s
    )
    union
    (
        select id from {jobs_succeeded} where id between %(first)s and %(last)s
        order by id limit %(limit)s
    )
    union
    (
        select id from {jobs_failed} where id between %(first)s and %(last)s
        order by id limit %(limit)s
    )
    union
    (
        select id from {jobs_unreadable} where id between %(first)s and %(last)s
        order by id limit %(limit)s
    )
) as found
order by id
limit %(limit)s;
