select count(*) from (
    select 1 from {jobs_failed} indexed by {jobs_failed_by_name}
    where name = :name
    limit :at_most
);
