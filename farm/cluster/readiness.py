"""What a replica goes through before it gets work: it sees the farm's artifacts, its node says what it has, a model is
loaded."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from ray.exceptions import ActorDiedError, RayError

from .calls import answer, insist
from .devices import NO_MODEL
from .member import Member
from .reports import Reports

LOAD_SECONDS = 600.0
"""Longest time that loading a model may keep a replica from work."""
LOOK_SECONDS = 120.0
"""Longest time that a replica's look at the artifacts may take."""
LOOK_AGAIN_SECONDS = 15.0
"""Time between two looks of one that does not see them."""

log = logging.getLogger(__name__)


class Readiness:
    """See the module.

    Args:
        farm: gives the id of the farm's artifacts, which replicas must see; "" asks nothing of them.
        likely_family: names the model that a new replica should load ahead of its first attempt.
        reports: asks nodes what they have.
        remove: called with a replica that died meanwhile, and why.
        blame: called with one that can't get on, and why.
        on_change: called when one turned out to be unfit.
        on_load: called with a model, a kind of device, and the seconds that loading took there.
    """

    def __init__(
        self,
        farm: Callable[[], str],
        likely_family: Callable[[], Awaitable[str]],
        reports: Reports,
        remove: Callable[[Member, str], Awaitable[None]],
        blame: Callable[[Member, str], None],
        on_change: Callable[[], None],
        on_load: Callable[[str, str, float], None],
    ) -> None:
        self._farm, self._likely_family, self._reports = farm, likely_family, reports
        self._remove, self._blame = remove, blame
        self._on_change, self._on_load = on_change, on_load

    async def reached(self, member: Member) -> bool:
        """Wait until a new replica is ready; False when it is gone before."""
        if not await self.sees_artifacts(member):
            return False
        said, alive = await asyncio.gather(self._says_what_it_has(member), self._warms(member))
        return said and alive

    async def sees_artifacts(self, member: Member) -> bool:
        """Wait until a replica can work with the farm's artifacts; False when it is gone before."""
        farm = await insist(self._farm)
        while farm and not member.gone:
            try:
                member.unfit = await answer(member.handle.unfit.remote(farm), LOOK_SECONDS)
            except ActorDiedError:
                await self._remove(member, "died while it looked at the artifacts")
                return False
            except (RayError, TimeoutError) as error:
                member.unfit = f"it does not say whether it sees the farm's artifacts: {type(error).__name__}"
            if not member.unfit:
                break
            log.warning("%s on %s: %s", member.id, member.slot.host or member.slot.node[:6], member.unfit)
            self._blame(member, member.unfit)
            self._on_change()
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        return not member.gone

    async def _warms(self, member: Member) -> bool:
        """Have a replica load what it will need first; False when it died of that."""
        if member.slot.kinds == NO_MODEL:
            return True
        family = await self._likely_family()
        began = time.monotonic()
        try:  # until its model is loaded, work is better off with a replica that has one
            if await answer(member.handle.warm.remote(family), LOAD_SECONDS):
                member.has_loaded(family)
                member.loading = family, round(time.monotonic() - began, 2)
                self._on_load(family, member.slot.label, member.loading[1])
        except ActorDiedError:
            await self._remove(member, f"died while loading {family}")
            return False
        except (RayError, TimeoutError) as error:
            log.warning("%s: loading %s: %s", member.id, family, type(error).__name__)
        return True

    async def _says_what_it_has(self, member: Member) -> bool:
        """Wait until it is known what a replica's node has; False when the replica is gone before."""
        while not member.gone:
            try:
                await self._reports.ask(member)
                member.unfit = ""
                break
            except ActorDiedError:
                await self._remove(member, "died while it looked at what its node has")
            except (RayError, TimeoutError) as error:
                member.unfit = f"it does not say what its node has: {type(error).__name__}"
                log.warning("%s on %s: %s", member.id, member.slot.host, member.unfit, exc_info=error)
                self._blame(member, member.unfit)
                self._on_change()
                await asyncio.sleep(LOOK_AGAIN_SECONDS)
        return not member.gone
