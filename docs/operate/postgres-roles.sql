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
        unique_key, errors, history, progress, parent_id, has_children
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
-- For row locks, too. A job whose end was marked gets back the reservation that it had before.
grant update (reserved_by) on bgjobs.jobs_failed to bgjobs_worker;
grant update (reservations, reserved_at, reserved_by) on bgjobs.jobs_cancelled to bgjobs_worker;
-- Operators' commands are read regularly, and deleted once they were carried out.
grant select on bgjobs.paused_queues to bgjobs_worker;
-- When a job ends, the owners of its running children are asked to cancel them.
grant select, insert, delete on bgjobs.cancellations to bgjobs_worker;
grant update (reason, cancelled_by) on bgjobs.cancellations to bgjobs_worker;
-- For jobs that belong to a parent, and for pruning.
grant select, insert, delete on bgjobs.children to bgjobs_worker;
grant update (child_id) on bgjobs.children to bgjobs_worker;
grant select, insert, delete on bgjobs.waiting_jobs to bgjobs_worker;
grant update (reserved_by, number, since) on bgjobs.waiting_jobs to bgjobs_worker;
-- For workers with a function for `on_failure`, and for processes that end jobs of such workers.
grant select, insert on bgjobs.failure_hooks to bgjobs_worker;
grant update (on_cancelled, registered_at) on bgjobs.failure_hooks to bgjobs_worker;
grant select, insert, delete on bgjobs.marked_ends to bgjobs_worker;
grant update (state, reason, author, reserved_by, tries, begun_at, marked_at)
    on bgjobs.marked_ends to bgjobs_worker;
-- What queues have done: each process that runs some writes it, and deletes what is old.
grant select, insert, delete on bgjobs.activity to bgjobs_worker;
grant update (
        succeeded, failed, retried, cancelled, duration_0, duration_1, duration_2, duration_3,
        duration_4, duration_5, duration_6, duration_7, duration_8, duration_9, duration_10,
        duration_11, duration_12, duration_13, duration_14, duration_15, duration_16
    )
    on bgjobs.activity to bgjobs_worker;
grant select, insert, delete on bgjobs.processes to bgjobs_worker;
grant update (seen_at, loop_lag) on bgjobs.processes to bgjobs_worker;
-- For workers with a rate limit.
grant select, insert, delete on bgjobs.starts to bgjobs_worker;
-- The application itself may call `Admin` and change its scheduled jobs. Old entries are deleted.
grant select, delete on bgjobs.audit to bgjobs_worker;
grant insert (id, at, author, action, subject) on bgjobs.audit to bgjobs_worker;
grant update (changed) on bgjobs.audit to bgjobs_worker;
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
grant select on bgjobs.children to bgjobs_reader;
grant select on bgjobs.waiting_jobs to bgjobs_reader;
grant select on bgjobs.audit to bgjobs_reader;
-- For the queue of a job.
grant select (id, name, node) on bgjobs.owners to bgjobs_reader;
grant select (id, name, node) on bgjobs.past_owners to bgjobs_reader;
-- What queues have done.
grant select on bgjobs.activity to bgjobs_reader;
grant select on bgjobs.processes to bgjobs_reader;

-- An operator calls Admin, and runs no job.
grant usage on schema bgjobs to bgjobs_operator;
grant select on bgjobs.migrations to bgjobs_operator;
grant select on bgjobs.owners to bgjobs_operator;
-- What an operator does is recorded; it cannot delete or change what others did.
grant select on bgjobs.audit to bgjobs_operator;
grant insert (id, at, author, action, subject) on bgjobs.audit to bgjobs_operator;
grant update (changed) on bgjobs.audit to bgjobs_operator;
-- Pruning and deleting jobs also delete which of them are children.
grant select, delete on bgjobs.children to bgjobs_operator;
-- Handlers that wait for children are shown apart from those that run.
grant select on bgjobs.waiting_jobs to bgjobs_operator;
-- Pruning also deletes the names of owners to which no job refers any longer.
grant select, delete on bgjobs.past_owners to bgjobs_operator;
grant select, delete on bgjobs.jobs to bgjobs_operator;
grant insert (
        id, name, payload, priority, reservations, created_at, available_at, unique_key, errors,
        occurrence, metadata, history
    )
    on bgjobs.jobs to bgjobs_operator;
grant update (available_at, priority) on bgjobs.jobs to bgjobs_operator;
-- A waiting job that is cancelled waits for its function for `on_failure`, if it has one. So an operator
-- can also take running jobs from their owners.
grant update (reservations, reserved_at, reserved_by) on bgjobs.jobs to bgjobs_operator;
grant select on bgjobs.failure_hooks to bgjobs_operator;
grant select, insert, delete on bgjobs.marked_ends to bgjobs_operator;
grant update (state, reason, author, reserved_by, tries, begun_at, marked_at)
    on bgjobs.marked_ends to bgjobs_operator;
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
grant select on bgjobs.activity to bgjobs_operator;
grant select on bgjobs.processes to bgjobs_operator;

commit;
