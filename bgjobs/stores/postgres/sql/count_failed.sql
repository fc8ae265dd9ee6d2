select count(*) from (
    select from {jobs_failed} where name = %(name)s limit %(at_most)s
) as counted;
