select count(*) from (
    select from {jobs_unreadable} limit %(at_most)s
) as counted;
