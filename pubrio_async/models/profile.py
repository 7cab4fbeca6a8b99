"""What the `profile` endpoints send back.

Timestamps stay text: the API writes them in several forms and none of them always names a zone.
"""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from pubrio_async.models.redeem import Number


class ProductMetadata(Struct, frozen=True, kw_only=True):
    """The charging dates of a product; the counters belong to user licences only."""

    next_charge_date: str
    is_annual: bool
    charge_period: int
    charge_period_type: str
    total_used_subscription: int | UnsetType = UNSET
    total_user_subscriptions: int | UnsetType = UNSET


class Product(Struct, frozen=True, kw_only=True):
    """One product of the subscription."""

    currency_id: int
    currency: str
    waived_quantity: int
    is_full_waived: bool
    id: int
    name: str
    slug: str
    quantity: int
    amount: Number
    prorated_amount: Number
    metadata: ProductMetadata
    total_amount: Number


class UsageProductMetadata(Struct, frozen=True, kw_only=True):
    """The prices a usage product is charged by."""

    web_intent_signal_credit: int
    topup_credit_amount: Number


class UsageProduct(Struct, frozen=True, kw_only=True):
    """One product that is charged by use."""

    currency_id: int
    currency: str
    waived_quantity: int
    is_full_waived: bool
    id: int
    name: str
    slug: str
    quantity: int
    amount: Number
    prorated_amount: Number
    metadata: UsageProductMetadata
    total_amount: Number
    total_credit_used: int
    total_charge_credit: int


class Subscription(Struct, frozen=True, kw_only=True):
    """The plan: unit prices in credits, limits and dates."""

    id: int
    credit: int
    max_api_monthly_query: int
    max_api_daily_query: int
    max_api_hourly_query: int
    is_not_able_to_subscribe: bool
    max_portal_monthly_query: int
    max_portal_daily_query: int
    max_portal_hourly_query: int
    amount: Number
    is_custom_plan: bool
    currency_id: int
    currency: str
    topup_credit_amount: Number
    name: str
    slug: str
    collection: str
    is_annual: bool
    is_default: bool | None
    identifier: str
    last_charged: str
    next_charge_date: str
    last_usage_charged: str
    next_usage_charge_date: str
    last_refill_date: str
    next_refill_date: str
    usage_charge_period: int
    usage_charge_period_type: str
    charge_period: int
    charge_period_type: str
    web_intent_signal_credit: int
    max_search_page: int
    max_search_per_page: int
    phone_number_redeem_credit: int
    email_redeem_credit: int
    people_search_credit: int
    company_search_credit: int
    data_export_credit: int
    max_session_per_page: int
    max_export_limit: int
    max_select_limit: int
    max_record_upload_size: int
    max_company_search_select_limit: int
    max_people_search_select_limit: int
    max_channel_email_account: int
    max_channel_linkedin_account: int
    max_channel_slack_account: int
    is_full_export_available: bool
    is_api_access_available: bool
    is_add_user_available: bool
    is_refill_without_charge: bool
    is_skip_user_related_calculation: bool
    is_credit_rollover_available: bool
    is_quota_sharing_available: bool
    last_modified: str
    total_credit_used: int
    total_charge_credit: int
    credit_refill: int
    total_amount: Number
    products: tuple[Product, ...]
    usage_products: tuple[UsageProduct, ...]


class Profile(Struct, frozen=True, kw_only=True):
    """The workspace behind the key: balances, plan, unit prices and limits."""

    profile_id: int
    credit: int
    topup_credit: int
    name: str
    description: str | None
    is_auto_top_up_credits_enabled: bool
    auto_top_up_credit: int
    auto_top_up_balance_fall_below: int
    subscription: Subscription


class ProfileUsage(Struct, frozen=True, kw_only=True):
    """Request counters and request quotas of the workspace (no credit balances)."""

    api_monthly_usage: int
    api_daily_usage: int
    api_hourly_usage: int
    api_last_refreshed: str
    portal_monthly_usage: int
    portal_daily_usage: int
    portal_hourly_usage: int
    portal_last_refreshed: str
    max_api_monthly_query: int
    max_api_daily_query: int
    max_api_hourly_query: int
    max_portal_monthly_query: int
    max_portal_daily_query: int
    max_portal_hourly_query: int
    total_max_api_monthly_query: int
    total_max_api_daily_query: int
    total_max_api_hourly_query: int
    total_max_portal_monthly_query: int
    total_max_portal_daily_query: int
    total_max_portal_hourly_query: int
    is_api_access_available: bool
    is_quota_sharing_enabled: bool
    is_quota_sharing_available: bool
