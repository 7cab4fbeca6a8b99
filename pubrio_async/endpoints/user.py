"""The user who owns the key."""

from __future__ import annotations

from typing import Any

from pubrio_async._routes import USER_GET
from pubrio_async.endpoints._base import Endpoints


class User(Endpoints):
    """The `user` group."""

    async def get(self) -> Any:
        """Reads the user who owns the key. Free.

        Returns:
            The decoded `data` as it comes: the API documents no shape for it.

        Raises:
            PubrioError: The call failed; it is free and may be repeated.

        API page: none; GET /user as the official clients use it.
        """
        return await self._call(USER_GET, locals())
