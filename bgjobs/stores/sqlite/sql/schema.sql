-- name: find_migrations_table
select 1 from sqlite_schema where type = 'table' and name = :table;


-- name: schema_version
select max(version) from {migrations};


-- name: record_migration
insert into {migrations} (version, name, applied_at) values (:version, :name, :now);
