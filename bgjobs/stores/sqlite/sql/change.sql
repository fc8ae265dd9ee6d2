update {jobs} set
    available_at = coalesce(:available_at, available_at),
    priority = coalesce(:priority, priority)
where reserved_by is null
    and occurrence is null
    and id in (select value from json_each(:ids))
returning id;
