with settled as (
    delete from {jobs} as job
    using unnest(%(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[])
        as held (id, owner, number)
    where job.id = held.id
        and job.reserved_by = held.owner
        and job.reservations = held.number
    returning job.*
), recorded as (
    insert into {jobs_succeeded} (
        id, name, payload, priority, attempts, crashes, interruptions, reservations,
        created_at, available_at, reserved_at, reserved_by, unique_key, errors, occurrence,
        succeeded_at
    )
    select
        id, name, payload, priority, attempts, crashes, interruptions, reservations,
        created_at, available_at, reserved_at, reserved_by, unique_key, errors, occurrence,
        coalesce(%(now)s::timestamptz, now())
    from settled
    on conflict (id) do nothing
)
select id, reserved_by, reservations from settled;
