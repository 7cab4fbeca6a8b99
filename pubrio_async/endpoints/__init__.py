"""One class for each group of the API."""

from pubrio_async.endpoints._base import ContactTypeName
from pubrio_async.endpoints.profile import ProfileEndpoints
from pubrio_async.endpoints.redeem import Redeem
from pubrio_async.endpoints.user import User

__all__ = ["ContactTypeName", "ProfileEndpoints", "Redeem", "User"]
