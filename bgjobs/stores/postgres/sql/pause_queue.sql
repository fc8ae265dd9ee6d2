insert into {paused_queues} (name, paused_at)
values (%(name)s, coalesce(%(now)s::timestamptz, now()))
on conflict do nothing
returning name;
