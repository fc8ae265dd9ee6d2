insert into {migrations} (version, name, applied_at) values (:version, :name, :now);
