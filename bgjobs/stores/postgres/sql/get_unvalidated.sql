select checked.conname::text
from pg_catalog.pg_constraint as checked
join pg_catalog.pg_class as class on class.oid = checked.conrelid
join pg_catalog.pg_namespace as home on home.oid = class.relnamespace
where home.nspname = %(schema)s and checked.contype = 'c' and not checked.convalidated
order by checked.conname;
