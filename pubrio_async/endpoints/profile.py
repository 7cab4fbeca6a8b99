"""The workspace behind the key."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from pubrio_async._routes import PROFILE_GET, PROFILE_USAGE
from pubrio_async.endpoints._base import Endpoints
from pubrio_async.models import Profile, ProfileUsage


class ProfileEndpoints(Endpoints):
    """The `profile` group."""

    async def get(self, *, profile_id: int | UnsetType = UNSET) -> Profile:
        """Reads balances, plan, unit prices and limits. Free.

        Args:
            profile_id: Not needed; the key names the workspace.

        Returns:
            The workspace. `credit` and `topup_credit` are two balances; never add them.

        Raises:
            PubrioError: The call failed; it is free and may be repeated.

        API page: en/api-reference/endpoint/profile/profile
        """
        return await self._call(PROFILE_GET, locals())

    async def usage(self, *, profile_id: int | UnsetType = UNSET) -> ProfileUsage:
        """Reads how many requests were made and how many are allowed. Free.

        Args:
            profile_id: Not needed; the key names the workspace.

        Returns:
            Request counters and quotas; `total_max_*` hold for the workspace, `max_*` for each
            licence. No credit balances.

        Raises:
            PubrioError: The call failed; it is free and may be repeated.

        API page: en/api-reference/endpoint/profile/profile-usage
        """
        return await self._call(PROFILE_USAGE, locals())
