-- The number tells whether it was reserved, and released again, since it was read.
delete from {jobs}
where id = :id and reserved_by is null and reservations = :reservations
returning id;
