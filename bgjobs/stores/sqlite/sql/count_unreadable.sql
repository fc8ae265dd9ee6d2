select count(*) from (
    select 1 from {jobs_unreadable} limit :at_most
) as counted;
