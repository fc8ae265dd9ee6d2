"""How the pages show values: pure functions from values of bgjobs to markup.

text             names and texts that may be hostile
numbers          counts, durations, shares and times
json_view        arguments and results as trees
errors_view      errors of attempts, with their tracebacks
job_rows         lists of jobs, a row for each
life             what happened to one job, as data
life_chart       the same as a picture and as a table
job_graph        the descendants of a job as a graph and as a table
csv_rows         jobs as lines of a file
charts           bars over time, sparklines and strips of runs
histogram        the distribution of durations
last_runs        the last runs of a scheduled job
svg              the shapes of pictures
schedules_view   schedules in words, and their next runs
error_groups     failed jobs by their error
request_text     requests as Python and as commands; plain text, which `text.passage` escapes

Everything stored is hostile. All of these escape it, bound what they return, and take nothing
from it but text: no element, no attribute, no class and no address.
"""
