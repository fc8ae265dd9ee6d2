-- The numbers of reservations go on, so that whoever held it before has an old one.
with asked as (
    select
        id, name, payload, priority, reservations, created_at, unique_key, errors, occurrence,
        metadata
    from {jobs_failed}
    where id = any(%(ids)s::uuid[])
    order by id
    for update
), again as (
    insert into {jobs} (
        id, name, payload, priority, reservations, created_at, available_at, unique_key,
        errors, metadata
    )
    select
        id, name, payload, priority, reservations, created_at,
        coalesce(%(now)s::timestamptz, now()),
        case when occurrence is null then unique_key end, errors, metadata
    from asked
    on conflict do nothing
    returning id
), gone as (
    delete from {jobs_failed} where id = any(array(select id from again))
), forgotten as (
    delete from {cancellations} where job_id in (select id from again)
)
select id from again;
