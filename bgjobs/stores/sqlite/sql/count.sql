select
    count(*) filter (where reserved_by is null and available_at <= :now),
    count(*) filter (where reserved_by is null and available_at > :now),
    count(*) filter (where reserved_by is not null),
    (
        select count(*) from {jobs_succeeded}
        where :names is null or name in (select value from json_each(:names))
    ),
    (
        select count(*) from {jobs_failed}
        where :names is null or name in (select value from json_each(:names))
    )
from {jobs}
where :names is null or name in (select value from json_each(:names));
