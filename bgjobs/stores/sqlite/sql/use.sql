-- A start that is further in the future than the period is long is none.
select
    asked.name,
    (
        select count(*) from {jobs} indexed by {jobs_reserved}
        where reserved_by is not null and name = asked.name
    ),
    (
        select count(*) from {starts}
        where name = asked.name
            and started_at > :now - asked.period
            and started_at <= :now + asked.period
    ),
    (
        select :now - min(started_at) from {starts}
        where name = asked.name
            and started_at > :now - asked.period
            and started_at <= :now + asked.period
    )
from (
    select json_extract(value, '$[0]') as name, json_extract(value, '$[1]') as period
    from json_each(:caps)
) as asked;
