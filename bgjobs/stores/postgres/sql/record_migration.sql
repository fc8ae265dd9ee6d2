insert into {migrations} (version, name, applied_at)
values (%(version)s, %(name)s, coalesce(%(now)s::timestamptz, now()));
