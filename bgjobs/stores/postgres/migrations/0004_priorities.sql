-- Jobs of another priority than the default one, so that a claim does not look at each priority
-- in turn: those that never had to wait, and by their time those that had. A job of the default
-- priority is in neither of them, and costs no more than before.
-- The names are collated otherwise than in the ready index, so that the planner cannot take that
-- one instead: without statistics it expects one row of either, and sorts a million.
-- Each of the two reads the table once. Until both are there, writes to it wait; reads go on. An
-- older version that runs meanwhile, or afterwards, uses neither and keeps both up to date.
create index jobs_prompt on {jobs} (name collate "C", priority, available_at, id)
where reserved_by is null and priority <> 0 and available_at <= created_at;

create index jobs_delayed on {jobs} (name collate "C", available_at, priority, id)
where reserved_by is null and priority <> 0 and available_at > created_at;
