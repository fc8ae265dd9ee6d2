-- Jobs of other priorities than the default one, so that a reservation does not have to read each
-- priority in turn: jobs that were never delayed, and by their time those that were. Jobs of the default
-- priority are in neither index, and cost nothing here.
-- The names have another collation than in `jobs_ready`, so that the planner cannot use that index
-- instead: without statistics it expects one row from either, and would sort a million.
-- Each index is built by one read of the table. Meanwhile writes to the table wait, and reads do not.
-- Processes of an older version do not use the indexes, and the server keeps both up to date.
create index jobs_prompt on {jobs} (name collate "C", priority, available_at, id)
where reserved_by is null and priority <> 0 and available_at <= created_at;

create index jobs_delayed on {jobs} (name collate "C", available_at, priority, id)
where reserved_by is null and priority <> 0 and available_at > created_at;
