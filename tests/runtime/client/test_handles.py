"""The attributes of the objects that operate a queue or a scheduled job."""

import bgjobs


def public(kind: type[object]) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def test_the_handle_of_a_queue_has_the_verbs_of_its_users_only() -> None:
    switches = {"paused", "paused_everywhere", "pause", "resume"}
    assert public(bgjobs.QueueControl) == {"name", "config", "running", "waiting", *switches}


def test_the_handles_of_a_scheduled_job_have_the_verbs_of_its_users_only() -> None:
    verbs = {"name", "occurrence", "pause", "resume", "replace", "trigger"}
    assert public(bgjobs.ScheduleControl) == verbs
    assert public(bgjobs.ScheduledJobControl) == {"config", *verbs}


def test_an_application_is_a_client_with_queues_on_top() -> None:
    assert issubclass(bgjobs.BgJobs, bgjobs.Client)
    waits = {"drain", "health", "stop", "wait_stopping", "run_until_stopped"}
    queues = {"stop_on_signals", "queue", "queues", "scheduled_job", "scheduled_jobs"}
    schedules = {"add_scheduled_job", "remove_scheduled_job"}
    added = public(bgjobs.BgJobs) - public(bgjobs.Client)
    assert added == waits | queues | schedules | {"open_nursery"}
