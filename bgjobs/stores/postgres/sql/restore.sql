insert into {jobs_failed} (
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors, occurrence,
    metadata, error, failed_at
)
select
    restored.id, restored.name, restored.payload, restored.priority, restored.attempts,
    restored.crashes, restored.interruptions, restored.reservations, restored.created_at,
    restored.available_at, restored.reserved_at, restored.reserved_by::uuid,
    restored.unique_key, restored.errors, restored.occurrence, restored.metadata,
    restored.error, restored.failed_at
from unnest(
    %(ids)s::uuid[], %(names)s::text[], %(payloads)s::text[], %(priorities)s::smallint[],
    %(attempts)s::integer[], %(crashes)s::integer[], %(interruptions)s::integer[],
    %(numbers)s::integer[], %(created_ats)s::timestamptz[], %(available_ats)s::timestamptz[],
    %(reserved_ats)s::timestamptz[], %(owners)s::text[], %(unique_keys)s::text[],
    %(errors)s::text[], %(occurrences)s::text[], %(metadata)s::text[], %(reasons)s::text[],
    %(failed_ats)s::timestamptz[]
) as restored (
    id, name, payload, priority, attempts, crashes, interruptions, reservations,
    created_at, available_at, reserved_at, reserved_by, unique_key, errors, occurrence,
    metadata, error, failed_at
)
where not exists (select from {jobs} as live where live.id = restored.id)
    and not exists (select from {jobs_succeeded} as ended where ended.id = restored.id)
on conflict (id) do nothing
returning id;

-- One that was retried while it was stored is live again, which only a later statement sees.
delete from {jobs_failed} as job
where job.id = any(%(ids)s::uuid[])
    and exists (select from {jobs} as live where live.id = job.id)
returning job.id;
