"""Every endpoint as data: where it is, what comes back, and whether it may be sent twice.

The verb says nothing about safety here: almost every read is a POST.
"""

from pubrio_async._routes.account import PROFILE_GET, PROFILE_USAGE, USER_GET
from pubrio_async._routes.redeem import REDEEM_BATCH, REDEEM_PEOPLE, REDEEM_QUERY
from pubrio_async._routes.route import Route
from pubrio_async._routes.rules import Rules, check

__all__ = [
    "PROFILE_GET",
    "PROFILE_USAGE",
    "REDEEM_BATCH",
    "REDEEM_PEOPLE",
    "REDEEM_QUERY",
    "USER_GET",
    "Route",
    "Rules",
    "check",
]
