delete from {jobs_succeeded} where rowid in (
    select rowid from {jobs_succeeded} indexed by {jobs_succeeded_by_name}
    where name = :name and succeeded_at < :now - :succeeded_for
    order by id
    limit :limit offset :skip
)
returning id;

delete from {jobs_failed} where rowid in (
    select rowid from {jobs_failed} indexed by {jobs_failed_by_name}
    where name = :name and failed_at < :now - :failed_for
    order by id
    limit :limit offset :skip
)
returning id;
