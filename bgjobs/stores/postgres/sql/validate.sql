-- Each reads its table once, while it can be read and written.
alter table {jobs} validate constraint jobs_limits;

alter table {jobs_succeeded} validate constraint jobs_succeeded_limits;

alter table {jobs_failed} validate constraint jobs_failed_limits;

alter table {owners} validate constraint owners_limits;

alter table {cancellations} validate constraint cancellations_limits;

alter table {paused_queues} validate constraint paused_queues_limits;

alter table {starts} validate constraint starts_limits;
