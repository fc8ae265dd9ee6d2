-- name: report_process
insert into {processes} (id, node, version, python, started_at, seen_at, loop_lag)
values (:id, :node, :version, :python, :now, :now, :lag)
on conflict (id) do update set seen_at = excluded.seen_at, loop_lag = excluded.loop_lag;


-- name: forget_process
delete from {processes} where id = :id;


-- name: record_activity
-- Totals are absolute, so that a repeat of the statement changes nothing.
insert into {activity} (seconds, at, name, owner, {measured_names})
select
    60, json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
    {measured_values from 3}
from json_each(:rows)
where true
on conflict (seconds, at, name, owner) do update set {measured_set of excluded};


-- name: roll_up_activity
-- The rows of whole hours that are older than a day are deleted in the same transaction.
insert into {activity} (seconds, at, name, owner, {measured_names})
select 3600, at / 3600000000 * 3600000000 as hour, name, :owner, {measured_sums of minute}
from {activity} as minute
where seconds = 60 and at < :now / 3600000000 * 3600000000 - 86400000000
group by hour, name;


-- name: delete_rolled_up
delete from {activity}
where seconds = 60 and at < :now / 3600000000 * 3600000000 - 86400000000;


-- name: merge_owners
-- A minute that has one row stays as it is. The rows that are added up are deleted in the same
-- transaction.
insert into {activity} (seconds, at, name, owner, {measured_names})
select 60, at, name, :owner, {measured_sums of minute}
from {activity} as minute
where seconds = 60 and at < :now - 7200000000
group by at, name
having count(*) > 1;


-- name: delete_merged
delete from {activity} as minute
where seconds = 60
    and at < :now - 7200000000
    and owner <> :owner
    and exists (
        select 1 from {activity} as merged
        where merged.seconds = 60
            and merged.at = minute.at
            and merged.name = minute.name
            and merged.owner = :owner
    );


-- name: prune_activity
delete from {activity} where seconds = 3600 and at < :now - :age;


-- name: forget_silent_processes
delete from {processes} where seen_at < :now - 86400000000;


-- name: activity
select name, at / :step * :step as slot, {measured_sums of activity}
from {activity} as activity
where seconds in (60, 3600)
    and at between (:now - :last) / :step * :step and :now
    and (:names is null or name in (select value from json_each(:names)))
group by name, slot
order by name, slot;


-- name: processes
-- The time since the last report is in microseconds.
select id, node, version, python, started_at, loop_lag, :now - seen_at
from {processes}
where seen_at between 946684800000000 and 253402214400000000
    and started_at between 946684800000000 and 253402214400000000
order by node, id
limit 1000;
