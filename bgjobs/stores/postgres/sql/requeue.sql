update {jobs} as job set
    attempts = held.attempts,
    crashes = held.crashes,
    interruptions = held.interruptions,
    errors = held.errors,
    available_at = coalesce(
        coalesce(%(now)s::timestamptz, now())
            + held.delay::double precision * interval '1 microsecond',
        job.available_at
    ),
    reserved_at = null,
    reserved_by = null
from unnest(
    %(ids)s::uuid[], %(owners)s::uuid[], %(numbers)s::integer[], %(attempts)s::integer[],
    %(crashes)s::integer[], %(interruptions)s::integer[], %(errors)s::text[],
    %(delays)s::bigint[]
) as held (id, owner, number, attempts, crashes, interruptions, errors, delay)
where job.id = held.id
    and job.reserved_by = held.owner
    and job.reservations = held.number
returning held.id, held.owner, held.number;
