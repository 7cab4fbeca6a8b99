"""The shapes of what the API sends back and of what a run hands out."""

from pubrio_async.models.outcome import Outcome, OutcomeStatus, RunReport, RunStatistics
from pubrio_async.models.pagination import Pagination
from pubrio_async.models.profile import (
    Product,
    ProductMetadata,
    Profile,
    ProfileUsage,
    Subscription,
    UsageProduct,
    UsageProductMetadata,
)
from pubrio_async.models.redeem import (
    Contact,
    ContactStatus,
    ContactType,
    RedeemCharge,
    RedeemedPerson,
    RedeemJob,
    RedeemPeopleReply,
    RedeemQueryReply,
)

__all__ = [
    "Contact",
    "ContactStatus",
    "ContactType",
    "Outcome",
    "OutcomeStatus",
    "Pagination",
    "Product",
    "ProductMetadata",
    "Profile",
    "ProfileUsage",
    "RedeemCharge",
    "RedeemJob",
    "RedeemPeopleReply",
    "RedeemQueryReply",
    "RedeemedPerson",
    "RunReport",
    "RunStatistics",
    "Subscription",
    "UsageProduct",
    "UsageProductMetadata",
]
