delete from {owners}
where id in (select value from json_each(:owners)) or lease_expires_at <= :now;
