"""What companies run on."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType

from pubrio_async._routes import TECHNOLOGIES_LOOKUP
from pubrio_async.endpoints._base import Endpoints


class Technologies(Endpoints):
    """The `technologies` group."""

    async def lookup(
        self,
        *,
        domain: str | UnsetType = UNSET,
        linkedin_url: str | UnsetType = UNSET,
        domain_search_id: str | UnsetType = UNSET,
        domain_id: int | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> Any:
        """Reads the technologies one company uses. May spend credits.

        Args:
            domain: A bare host, such as `example.com`; at least one of this, `linkedin_url`,
                `domain_search_id` and `domain_id` is needed.
            linkedin_url: The company's page on LinkedIn.
            domain_search_id: The company's id (UUID).
            domain_id: The company's number.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.
            PubrioError: The call failed; `may_have_charged` says whether it may have cost.

        API page: en/api-reference/endpoint/companies/technology_lookup
        """
        return await self._call(TECHNOLOGIES_LOOKUP, locals())
