delete from {jobs_succeeded} where id = any(array(
    select id from {jobs_succeeded}
    where succeeded_at < coalesce(%(now)s::timestamptz, now())
        - %(kept_for)s::double precision * interval '1 microsecond'
    order by succeeded_at
    limit %(limit)s offset %(skip)s
    for update skip locked
))
returning id;

delete from {jobs_failed} where id = any(array(
    select id from {jobs_failed}
    where failed_at < coalesce(%(now)s::timestamptz, now())
        - %(kept_for)s::double precision * interval '1 microsecond'
    order by failed_at
    limit %(limit)s offset %(skip)s
    for update skip locked
))
returning id;
