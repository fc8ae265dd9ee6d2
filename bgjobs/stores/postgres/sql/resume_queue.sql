delete from {paused_queues} where name = %(name)s returning name;
