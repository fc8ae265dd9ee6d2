insert into {owners} (id, name, node, opened_at, lease_expires_at)
values (:id, :name, :node, :now, :now + :lease)
on conflict do nothing;
