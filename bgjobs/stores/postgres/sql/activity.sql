-- name: report_process
insert into {processes} (id, node, version, python, started_at, seen_at, loop_lag)
values (
    %(id)s::uuid, %(node)s::text, %(version)s::text, %(python)s::text,
    coalesce(%(now)s::timestamptz, now()), coalesce(%(now)s::timestamptz, now()), %(lag)s::bigint
)
on conflict (id) do update set seen_at = excluded.seen_at, loop_lag = excluded.loop_lag;


-- name: forget_process
delete from {processes} where id = %(id)s::uuid;


-- name: record_activity
-- Totals are absolute, so that a repeat of the statement changes nothing.
insert into {activity} (seconds, at, name, owner, {measured_names})
select 60, given.*
from unnest(%(ats)s::timestamptz[], %(names)s::text[], %(owners)s::uuid[], {measured_values})
    as given
on conflict (seconds, at, name, owner) do update set {measured_set of excluded};


-- name: roll_up_activity
-- Of two processes that do this at the same time, each adds up the rows that it has deleted.
with old as (
    delete from {activity}
    where seconds = 60
        and at < pg_catalog.date_trunc(
            'hour', coalesce(%(now)s::timestamptz, now()), 'UTC'
        ) - interval '24 hours'
    returning *
)
insert into {activity} (seconds, at, name, owner, {measured_names})
select
    3600, pg_catalog.date_trunc('hour', old.at, 'UTC') as hour, old.name, %(owner)s::uuid,
    {measured_sums of old}
from old
group by hour, old.name;


-- name: merge_owners
-- As in roll_up_activity; a minute that has one row stays as it is.
with crowded as (
    select at, name
    from {activity}
    where seconds = 60 and at < coalesce(%(now)s::timestamptz, now()) - interval '2 hours'
    group by at, name
    having count(*) > 1
), old as (
    delete from {activity} as minute
    using crowded
    where minute.seconds = 60 and minute.at = crowded.at and minute.name = crowded.name
    returning minute.*
)
insert into {activity} (seconds, at, name, owner, {measured_names})
select 60, old.at, old.name, %(owner)s::uuid, {measured_sums of old}
from old
group by old.at, old.name;


-- name: prune_activity
delete from {activity}
where seconds = 3600
    and at < coalesce(%(now)s::timestamptz, now())
        - %(age)s::double precision * interval '1 microsecond';


-- name: forget_silent_processes
delete from {processes}
where seen_at < coalesce(%(now)s::timestamptz, now()) - interval '24 hours';


-- name: activity
select
    name,
    pg_catalog.date_bin(
        %(step)s::double precision * interval '1 second', at, '2000-01-01 00:00:00+00'
    ) as slot,
    {measured_sums of activity}
from {activity} as activity
where seconds in (60, 3600)
    and at >= pg_catalog.date_bin(
        %(step)s::double precision * interval '1 second',
        coalesce(%(now)s::timestamptz, now()) - %(last)s::double precision * interval '1 second',
        '2000-01-01 00:00:00+00'
    )
    and at <= coalesce(%(now)s::timestamptz, now())
    and (%(names)s::text[] is null or name = any(%(names)s::text[]))
group by name, slot
order by name, slot;


-- name: processes
-- The time since the last report is in microseconds.
select
    id, node, version, python, started_at, loop_lag,
    (extract(epoch from coalesce(%(now)s::timestamptz, now()) - seen_at) * 1000000)::bigint
from {processes}
where seen_at between '2000-01-01 00:00:00+00' and '9999-12-31 00:00:00+00'
    and started_at between '2000-01-01 00:00:00+00' and '9999-12-31 00:00:00+00'
order by node, id
limit 1000;
