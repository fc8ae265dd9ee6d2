delete from {starts} where rowid in (
    select old.rowid
    from json_each(:caps) as asked
    cross join {starts} as old indexed by {starts_by_name} on
        old.name = json_extract(asked.value, '$[0]')
        and old.started_at <= :now - json_extract(asked.value, '$[1]')
    union all
    select absurd.rowid
    from json_each(:caps) as asked
    cross join {starts} as absurd indexed by {starts_by_name} on
        absurd.name = json_extract(asked.value, '$[0]')
        and absurd.started_at > :now + json_extract(asked.value, '$[1]')
);

insert into {starts} (name, started_at) select value, :now from json_each(:names);
