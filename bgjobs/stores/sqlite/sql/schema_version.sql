select 1 from sqlite_schema where type = 'table' and name = :table;

select max(version) from {migrations};
