update {owners} set lease_expires_at = :now + :lease
where id in (select value from json_each(:owners)) and lease_expires_at > :now
returning id;
