select to_regclass(%(table)s) is not null;

select coalesce(max(version), 0) from {migrations};
