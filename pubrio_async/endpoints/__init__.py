"""One class for each group of the API."""

from pubrio_async.endpoints._base import ContactTypeName
from pubrio_async.endpoints.advertisements import Advertisements
from pubrio_async.endpoints.api_keys import ApiKeys
from pubrio_async.endpoints.channels import Channels
from pubrio_async.endpoints.companies import Companies
from pubrio_async.endpoints.filters import Filters
from pubrio_async.endpoints.jobs import Jobs
from pubrio_async.endpoints.lookalikes import Lookalikes
from pubrio_async.endpoints.monitors import Monitors
from pubrio_async.endpoints.news import News
from pubrio_async.endpoints.people import PeopleEndpoints
from pubrio_async.endpoints.profile import ProfileEndpoints
from pubrio_async.endpoints.redeem import Redeem
from pubrio_async.endpoints.technologies import Technologies
from pubrio_async.endpoints.user import User

__all__ = [
    "Advertisements",
    "ApiKeys",
    "Channels",
    "Companies",
    "ContactTypeName",
    "Filters",
    "Jobs",
    "Lookalikes",
    "Monitors",
    "News",
    "PeopleEndpoints",
    "ProfileEndpoints",
    "Redeem",
    "Technologies",
    "User",
]
