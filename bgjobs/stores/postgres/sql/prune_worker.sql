delete from {jobs_succeeded} where id = any(array(
    select id from {jobs_succeeded}
    where name = %(name)s
        and succeeded_at < coalesce(%(now)s::timestamptz, now())
            - %(succeeded_for)s::double precision * interval '1 microsecond'
    order by id
    limit %(limit)s offset %(skip)s
    for update skip locked
))
returning id;

delete from {jobs_failed} where id = any(array(
    select id from {jobs_failed}
    where name = %(name)s
        and failed_at < coalesce(%(now)s::timestamptz, now())
            - %(failed_for)s::double precision * interval '1 microsecond'
    order by id
    limit %(limit)s offset %(skip)s
    for update skip locked
))
returning id;
