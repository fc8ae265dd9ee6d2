insert into {paused_queues} (name, paused_at) values (:name, :now)
on conflict do nothing
returning name;
