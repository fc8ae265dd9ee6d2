-- It never ran, so it goes to no table of ended jobs.
delete from {jobs} where rowid in (
    select job.rowid
    from json_each(:settled) as settled cross join {jobs} as job indexed by {jobs_reserved} on
        job.id = json_extract(settled.value, '$[0]')
        and job.reserved_by = json_extract(settled.value, '$[1]')
        and job.reservations = json_extract(settled.value, '$[2]')
)
returning id, reservations;
