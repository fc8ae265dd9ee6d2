-- Indexes of the jobs of other priorities than the default one, so that reserving does not look at
-- each priority in turn: jobs that were due at once, and by their time jobs that had to wait. Jobs of
-- the default priority are in neither index, so they cost nothing more.
-- Creating each index reads the table once. Other writers wait until both exist; readers do not.
-- An older version that runs meanwhile or afterwards uses neither, and SQLite keeps both up to date.
create index {jobs_prompt} on {jobs} (name, priority, available_at, id)
where reserved_by is null and priority <> 0 and available_at <= created_at;

create index {jobs_delayed} on {jobs} (name, available_at, priority, id)
where reserved_by is null and priority <> 0 and available_at > created_at;
