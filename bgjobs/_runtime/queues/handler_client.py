"""The client of a handler: `JobContext.client`."""

from typing import Any, final
from uuid import UUID

from bgjobs._core.jobs import EndedJob
from bgjobs._runtime.admin.admin import Admin
from bgjobs._runtime.client import Client
from bgjobs._runtime.notifications.wakeups import Wakeup
from bgjobs._runtime.queues.attempt import Attempt
from bgjobs._runtime.queues.places import Places
from bgjobs._runtime.services import ClientServices


@final
class HandlerClient(Client):
    """A client whose waits give the place of their handler away."""

    def __init__(
        self, services: ClientServices, admin: Admin, attempt: Attempt, places: Places
    ) -> None:
        super().__init__(services, admin)
        self._attempt = attempt
        self._places = places

    async def _wait_for_end(self, job_id: UUID, ended: Wakeup) -> EndedJob[Any]:
        async with self._places.given_away(self._attempt):
            return await super()._wait_for_end(job_id, ended)
