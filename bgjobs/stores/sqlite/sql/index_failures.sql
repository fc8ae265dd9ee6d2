-- What the triggers have noted: rows that are gone leave the index, new ones come into it.
delete from {failure_words} where rowid in (
    select number from {failures} indexed by {failures_to_index} where is_gone
);

delete from {failures} where number in (
    select number from {failures} indexed by {failures_to_index} where is_gone
);

insert into {failure_words} (rowid, summary)
select
    noted.number,
    substr(job.error, 1, instr(substr(job.error, 1, 200) || char(10), char(10)) - 1)
from {failures} as noted indexed by {failures_to_index}
cross join {jobs_failed} as job on job.id = noted.job_id
where not noted.is_gone and not noted.is_indexed;

update {failures} set is_indexed = 1 where number in (
    select number from {failures} indexed by {failures_to_index}
    where not is_gone and not is_indexed
);
