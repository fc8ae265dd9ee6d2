-- name: schema_version
select 1 from sqlite_schema where type = 'table' and name = :table;

select max(version) from {migrations};


-- name: record_migration
insert into {migrations} (version, name, applied_at) values (:version, :name, :now);
