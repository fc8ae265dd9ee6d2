-- Roles for bgjobs on PostgreSQL, each with the rights that its programs need and no others.
-- Run this file as a superuser after bgjobs_migrator has created the schema, and again after each
-- migration: see docs/operate/security.md. For another schema, replace "bgjobs" in this file.

-- Revoke the rights that an earlier version of this file granted. In one transaction, so that
-- running programs are never without the rights they need.
begin;
revoke all on all tables in schema bgjobs
    from bgjobs_producer, bgjobs_worker, bgjobs_reader, bgjobs_operator;

-- A producer stores jobs. It cannot forge attempts or reservations.
grant usage on schema bgjobs to bgjobs_producer;
grant select on bgjobs.migrations to bgjobs_producer;
grant select on bgjobs.jobs to bgjobs_producer;
grant insert (
        id, name, payload, priority, created_at, available_at, unique_key, occurrence, metadata
    )
    on bgjobs.jobs to bgjobs_producer;
-- A repeated enqueue must not store a job that has ended meanwhile. Errors are not readable. Programs of
-- the previous version read more columns than the id and the times, of the first two tables.
grant select (
        id, name, payload, priority, created_at, available_at, unique_key, occurrence, metadata
    )
    on bgjobs.jobs_succeeded to bgjobs_producer;
grant select (
        id, name, payload, priority, created_at, available_at, unique_key, occurrence, metadata
    )
    on bgjobs.jobs_failed to bgjobs_producer;
grant select (id, created_at, available_at) on bgjobs.jobs_cancelled to bgjobs_producer;

-- A worker runs jobs. It cannot change what a job does, nor a job that has ended: for row locks,
-- PostgreSQL requires UPDATE on one column, so it is granted on the least important one.
-- https://www.postgresql.org/docs/current/sql-select.html#SQL-FOR-UPDATE-SHARE
grant usage on schema bgjobs to bgjobs_worker;
grant select on bgjobs.migrations to bgjobs_worker;
grant select, delete on bgjobs.jobs to bgjobs_worker;
grant insert (
        id, name, payload, priority, created_at, available_at, unique_key, occurrence, metadata
    )
    on bgjobs.jobs to bgjobs_worker;
grant update (
        attempts, crashes, interruptions, reservations, available_at, reserved_at, reserved_by,
        unique_key, errors, history, progress
    )
    on bgjobs.jobs to bgjobs_worker;
grant select, insert, delete on bgjobs.owners to bgjobs_worker;
grant update (lease_expires_at) on bgjobs.owners to bgjobs_worker;
-- The names of owners that are closed stay known while jobs refer to them.
grant select, insert, delete on bgjobs.past_owners to bgjobs_worker;
grant select, insert, delete on bgjobs.jobs_succeeded to bgjobs_worker;
grant select, insert, delete on bgjobs.jobs_failed to bgjobs_worker;
grant select, insert, delete on bgjobs.jobs_cancelled to bgjobs_worker;
grant update (interruptions) on bgjobs.jobs_succeeded to bgjobs_worker;
grant update (interruptions) on bgjobs.jobs_failed to bgjobs_worker;
grant update (interruptions) on bgjobs.jobs_cancelled to bgjobs_worker;
-- Operators' commands are read regularly, and deleted once they were carried out.
grant select on bgjobs.paused_queues to bgjobs_worker;
grant select, delete on bgjobs.cancellations to bgjobs_worker;
grant update (asked_at) on bgjobs.cancellations to bgjobs_worker;
-- For workers with a rate limit.
grant select, insert, delete on bgjobs.starts to bgjobs_worker;
-- A worker sets apart rows that it cannot read.
grant select, insert on bgjobs.jobs_unreadable to bgjobs_worker;

-- A reader finds, lists and counts jobs.
grant usage on schema bgjobs to bgjobs_reader;
grant select on bgjobs.migrations to bgjobs_reader;
grant select on bgjobs.jobs to bgjobs_reader;
grant select on bgjobs.jobs_succeeded to bgjobs_reader;
grant select on bgjobs.jobs_failed to bgjobs_reader;
grant select on bgjobs.jobs_cancelled to bgjobs_reader;
grant select on bgjobs.jobs_unreadable to bgjobs_reader;
-- For the queue of a job.
grant select (id, name, node) on bgjobs.owners to bgjobs_reader;
grant select (id, name, node) on bgjobs.past_owners to bgjobs_reader;

-- An operator calls Admin, and runs no job: it cannot reserve jobs or forge reservations.
grant usage on schema bgjobs to bgjobs_operator;
grant select on bgjobs.migrations to bgjobs_operator;
grant select on bgjobs.owners to bgjobs_operator;
-- Pruning also deletes the names of owners to which no job refers any longer.
grant select, delete on bgjobs.past_owners to bgjobs_operator;
grant select, delete on bgjobs.jobs to bgjobs_operator;
grant insert (
        id, name, payload, priority, reservations, created_at, available_at, unique_key, errors,
        occurrence, metadata, history
    )
    on bgjobs.jobs to bgjobs_operator;
grant update (available_at, priority) on bgjobs.jobs to bgjobs_operator;
grant select, delete on bgjobs.jobs_succeeded to bgjobs_operator;
grant update (interruptions) on bgjobs.jobs_succeeded to bgjobs_operator;
grant select, insert, delete on bgjobs.jobs_failed to bgjobs_operator;
grant update (interruptions) on bgjobs.jobs_failed to bgjobs_operator;
grant select, insert, delete on bgjobs.jobs_cancelled to bgjobs_operator;
grant update (interruptions) on bgjobs.jobs_cancelled to bgjobs_operator;
grant select, insert, delete on bgjobs.cancellations to bgjobs_operator;
grant update (reason, cancelled_by) on bgjobs.cancellations to bgjobs_operator;
grant select, insert, delete on bgjobs.paused_queues to bgjobs_operator;
grant select, insert, delete on bgjobs.jobs_unreadable to bgjobs_operator;
-- Jobs that had succeeded are put back as succeeded ones.
grant insert on bgjobs.jobs_succeeded to bgjobs_operator;
grant update (found_at) on bgjobs.jobs_unreadable to bgjobs_operator;

commit;
