delete from {paused_queues} where name = :name returning name;
