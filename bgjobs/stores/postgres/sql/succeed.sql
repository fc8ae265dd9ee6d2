-- A job that has ended before and was stored once more, by a write that was slower than the job,
-- ends without a trace, as lost: what it would write must not be written twice.
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
    where not exists (select from {jobs_failed} as ended where ended.id = settled.id)
    on conflict (id) do nothing
    returning id, reserved_by, reservations
)
select id, reserved_by, reservations from recorded;
