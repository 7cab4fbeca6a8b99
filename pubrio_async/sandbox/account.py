"""The endpoints about the workspace: balances, prices, request counters, the user."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from pubrio_async.sandbox.config import SandboxConfig
from pubrio_async.sandbox.ledger import Ledger
from pubrio_async.sandbox.limits import DAY, HOUR, MONTH, FixedWindows
from pubrio_async.sandbox.paging import iso_time
from pubrio_async.sandbox.people import encode
from pubrio_async.sandbox.samples import sample_data
from pubrio_async.sandbox.wire import Answer, Fields

USER: Final = {
    "user_id": "2981d4b3-f8b1-44d8-9759-889f3bfa2faf",
    "nickname": "Example User",
    "email": "user@example.com",
}
_PERIODS = {"hourly": HOUR, "daily": DAY, "monthly": MONTH}


class AccountDesk:
    """Answers `profile.get`, `profile.usage` and `user.get`."""

    def __init__(
        self,
        config: SandboxConfig,
        ledger: Ledger,
        windows: FixedWindows,
        wall: Callable[[float], float],
    ) -> None:
        self._config = config
        self._ledger = ledger
        self._windows = windows
        self._wall = wall

    def profile(self, _: Fields, now: float) -> Answer:
        """The documented profile with the balances, prices and limits of this stand-in."""
        reply: dict[str, Any] = msgspec.json.decode(sample_data("profile.get.json"))
        data = reply["data"]
        data["credit"] = self._ledger.credit
        data["topup_credit"] = self._ledger.topup_credit
        plan = data["subscription"]
        plan["email_redeem_credit"] = self._config.email_credit
        plan["phone_number_redeem_credit"] = self._config.phone_credit
        plan["people_search_credit"] = self._config.people_search_credit
        plan["company_search_credit"] = self._config.company_search_credit
        plan["is_api_access_available"] = True
        for word, period in _PERIODS.items():
            plan[f"max_api_{word}_query"] = self._windows.usage(period, now)[1]
        return Answer(encode(reply))

    def usage(self, _: Fields, now: float) -> Answer:
        """The documented usage with live counters."""
        reply: dict[str, Any] = msgspec.json.decode(sample_data("profile.usage.json"))
        data = reply["data"]
        for word, period in _PERIODS.items():
            used, limit = self._windows.usage(period, now)
            data[f"api_{word}_usage"] = used
            data[f"max_api_{word}_query"] = limit
            data[f"total_max_api_{word}_query"] = limit
        data["api_last_refreshed"] = iso_time(self._wall(now))
        data["is_api_access_available"] = True
        return Answer(encode(reply))

    def user(self, _: Fields, __: float) -> Answer:
        """The user who owns the key."""
        return Answer(encode({"data": USER}))
