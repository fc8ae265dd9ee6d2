"""The pages of a system. To add one, write a module with a `WebPage` and list it here."""

from collections.abc import Sequence

from bgjobs.web.pages.actions import ACTION, ACTIONS
from bgjobs.web.pages.audit import AUDIT
from bgjobs.web.pages.export import EXPORT
from bgjobs.web.pages.health import HEALTH
from bgjobs.web.pages.job import JOB
from bgjobs.web.pages.job_actions import JOB_ACTIONS
from bgjobs.web.pages.jobs import JOBS
from bgjobs.web.pages.named_actions import QUEUE_ACTIONS, SCHEDULE_ACTIONS
from bgjobs.web.pages.new_job import NEW_JOB
from bgjobs.web.pages.nodes import NODES
from bgjobs.web.pages.overview import OVERVIEW
from bgjobs.web.pages.page import WebPage
from bgjobs.web.pages.queues import QUEUES
from bgjobs.web.pages.schedules import SCHEDULES
from bgjobs.web.pages.workers import WORKERS

PAGES: Sequence[WebPage] = (
    *(OVERVIEW, JOBS, JOB, JOB_ACTIONS, NEW_JOB, EXPORT),
    *(QUEUES, QUEUE_ACTIONS, WORKERS, SCHEDULES, SCHEDULE_ACTIONS),
    *(NODES, HEALTH, ACTIONS, ACTION, AUDIT),
)
"""In the order of the navigation."""
