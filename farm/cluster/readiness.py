"""What a replica goes through before it gets work: it sees the farm's artifacts, its node says what it has, a model is
loaded."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import cast

from ray.exceptions import ActorDiedError, RayError

from farm.jobs.assets import AssetKind
from farm.work.failures import Failure

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
        on_failed_load: called with a replica's seat, a model whose weights its node has, and why it can't load it.
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
        on_failed_load: Callable[[str, str, Failure], None],
    ) -> None:
        self._farm, self._likely_family, self._reports = farm, likely_family, reports
        self._remove, self._blame = remove, blame
        self._on_change, self._on_load, self._on_failed_load = on_change, on_load, on_failed_load

    async def reached(self, member: Member) -> bool:
        """Wait until a new replica is ready; False when it is gone before."""
        if not await self.sees_artifacts(member):
            return False
        family = "" if member.slot.kinds == NO_MODEL else await self._likely_family()
        said, failure = await asyncio.gather(self._says_what_it_has(member), self._warms(member, family))
        if said and failure and _has(member, family):
            self._blame(member, f"loading {family}: {failure.message}")
            self._on_failed_load(member.slot.place, family, failure)
        return said and not member.gone

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

    async def _warms(self, member: Member, family: str) -> Failure | None:
        """Have a replica load what it will need first, if anything; what it says when it can't."""
        if not family:
            return None
        began = time.monotonic()
        try:  # until its model is loaded, work is better off with a replica that has one
            if failure := await answer(member.handle.warm.remote(family), LOAD_SECONDS):
                return cast(Failure, failure)
            member.has_loaded(family)
            member.loading = family, round(time.monotonic() - began, 2)
            self._on_load(family, member.slot.label, member.loading[1])
        except ActorDiedError:
            await self._remove(member, f"died while loading {family}")
        except (RayError, TimeoutError) as error:
            log.warning("%s: loading %s: %s", member.id, family, type(error).__name__)
        return None

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


def _has(member: Member, family: str) -> bool:
    """Whether its node is known to have the family's weights: what it lacks is no fault of the replica's."""
    return any((asset.kind, asset.name) == (AssetKind.MODEL, family) for asset in member.assets or ())
