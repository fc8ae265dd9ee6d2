delete from {jobs_succeeded} where rowid in (
    select rowid from {jobs_succeeded} indexed by {jobs_succeeded_at}
    where succeeded_at < :succeeded_before
    order by succeeded_at
    limit :limit offset :skip
)
returning id;

delete from {jobs_failed} where rowid in (
    select rowid from {jobs_failed} indexed by {jobs_failed_at}
    where failed_at < :failed_before
    order by failed_at
    limit :limit offset :skip
)
returning id;
