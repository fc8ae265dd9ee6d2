-- Roles for bgjobs on PostgreSQL, each with no more rights than its programs need.
-- Run it as a superuser, after the schema was made by bgjobs_migrator, and again after every
-- migration; see docs/operate/security.md. Another schema than "bgjobs" is named here in its place.

-- What an earlier version of this file gave, and is not needed, is taken away. In one transaction,
-- so that programs which run meanwhile do not miss it.
begin;
revoke all on all tables in schema bgjobs
    from bgjobs_producer, bgjobs_worker, bgjobs_reader, bgjobs_operator;

-- May write into no table that a producer does not need, and forge no attempt or reservation.
grant usage on schema bgjobs to bgjobs_producer;
grant select on bgjobs.migrations to bgjobs_producer;
grant select on bgjobs.jobs to bgjobs_producer;
grant insert (
        id, name, payload, priority, created_at, available_at, unique_key, occurrence, metadata
    )
    on bgjobs.jobs to bgjobs_producer;
-- A repeated enqueue must not store a job again that has ended meanwhile. How it ended is not told.
grant select (
        id, name, payload, priority, created_at, available_at, unique_key, occurrence, metadata
    )
    on bgjobs.jobs_succeeded to bgjobs_producer;
grant select (
        id, name, payload, priority, created_at, available_at, unique_key, occurrence, metadata
    )
    on bgjobs.jobs_failed to bgjobs_producer;

-- Everything but changes of the schema. What a job is asked to do is not rewritten, nor what has
-- ended: UPDATE of one column, that tells the least, is what PostgreSQL wants for row locks.
grant usage on schema bgjobs to bgjobs_worker;
grant select on bgjobs.migrations to bgjobs_worker;
grant select, delete on bgjobs.jobs to bgjobs_worker;
grant insert (
        id, name, payload, priority, created_at, available_at, unique_key, occurrence, metadata
    )
    on bgjobs.jobs to bgjobs_worker;
grant update (
        attempts, crashes, interruptions, reservations, available_at, reserved_at, reserved_by,
        unique_key, errors
    )
    on bgjobs.jobs to bgjobs_worker;
grant select, insert, delete on bgjobs.owners to bgjobs_worker;
grant update (lease_expires_at) on bgjobs.owners to bgjobs_worker;
grant select, insert, delete on bgjobs.jobs_succeeded to bgjobs_worker;
grant select, insert, delete on bgjobs.jobs_failed to bgjobs_worker;
grant update (interruptions) on bgjobs.jobs_succeeded to bgjobs_worker;
grant update (interruptions) on bgjobs.jobs_failed to bgjobs_worker;
-- What operators ask for is read with each heartbeat, and forgotten when it was done.
grant select on bgjobs.paused_queues to bgjobs_worker;
grant select, delete on bgjobs.cancellations to bgjobs_worker;
grant update (asked_at) on bgjobs.cancellations to bgjobs_worker;
-- For workers with a rate limit.
grant select, insert, delete on bgjobs.starts to bgjobs_worker;
-- A row that cannot be read is set apart by those who meet it.
grant select, insert on bgjobs.jobs_unreadable to bgjobs_worker;

-- Looks jobs up and counts them.
grant usage on schema bgjobs to bgjobs_reader;
grant select on bgjobs.migrations to bgjobs_reader;
grant select on bgjobs.jobs to bgjobs_reader;
grant select on bgjobs.jobs_succeeded to bgjobs_reader;
grant select on bgjobs.jobs_failed to bgjobs_reader;
grant select on bgjobs.jobs_unreadable to bgjobs_reader;

-- Does what Admin does, and runs no job: it holds no reservation and forges none.
grant usage on schema bgjobs to bgjobs_operator;
grant select on bgjobs.migrations to bgjobs_operator;
grant select on bgjobs.owners to bgjobs_operator;
grant select, delete on bgjobs.jobs to bgjobs_operator;
grant insert (
        id, name, payload, priority, reservations, created_at, available_at, unique_key, errors,
        occurrence, metadata
    )
    on bgjobs.jobs to bgjobs_operator;
grant update (available_at, priority) on bgjobs.jobs to bgjobs_operator;
grant select, delete on bgjobs.jobs_succeeded to bgjobs_operator;
grant update (interruptions) on bgjobs.jobs_succeeded to bgjobs_operator;
grant select, insert, delete on bgjobs.jobs_failed to bgjobs_operator;
grant update (interruptions) on bgjobs.jobs_failed to bgjobs_operator;
grant select, insert, delete on bgjobs.cancellations to bgjobs_operator;
grant update (reason) on bgjobs.cancellations to bgjobs_operator;
grant select, insert, delete on bgjobs.paused_queues to bgjobs_operator;
grant select, insert, delete on bgjobs.jobs_unreadable to bgjobs_operator;
-- What had succeeded is put back as that.
grant insert on bgjobs.jobs_succeeded to bgjobs_operator;
grant update (found_at) on bgjobs.jobs_unreadable to bgjobs_operator;

commit;
