-- name: find_migrations_table
select to_regclass(%(table)s) is not null;


-- name: schema_version
select coalesce(max(version), 0) from {migrations};


-- name: record_migration
insert into {migrations} (version, name, applied_at)
values (%(version)s, %(name)s, coalesce(%(now)s::timestamptz, now()));
