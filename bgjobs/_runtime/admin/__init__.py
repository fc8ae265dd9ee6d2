"""What operators do: read, change, import and delete jobs, and operate schedules."""
