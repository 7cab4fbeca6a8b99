"""What the `profile` endpoints send back.

Timestamps stay text: the API writes them in several forms and none of them always names a zone.
"""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from pubrio_async.models.redeem import Number


class ProductMetadata(Struct, frozen=True, kw_only=True):
    """The charging dates of a product; the counters belong to user licences only."""

    next_charge_date: str | None = None
    is_annual: bool | None = None
    charge_period: int | None = None
    charge_period_type: str | None = None
    total_used_subscription: int | UnsetType = UNSET
    total_user_subscriptions: int | UnsetType = UNSET


class Product(Struct, frozen=True, kw_only=True):
    """One product of the subscription."""

    currency_id: int | None = None
    currency: str | None = None
    waived_quantity: int | None = None
    is_full_waived: bool | None = None
    id: int | None = None
    name: str | None = None
    slug: str | None = None
    quantity: int | None = None
    amount: Number | None = None
    prorated_amount: Number | None = None
    metadata: ProductMetadata | None = None
    total_amount: Number | None = None


class UsageProductMetadata(Struct, frozen=True, kw_only=True):
    """The prices a usage product is charged by."""

    web_intent_signal_credit: int | None = None
    topup_credit_amount: Number | None = None


class UsageProduct(Struct, frozen=True, kw_only=True):
    """One product that is charged by use."""

    currency_id: int | None = None
    currency: str | None = None
    waived_quantity: int | None = None
    is_full_waived: bool | None = None
    id: int | None = None
    name: str | None = None
    slug: str | None = None
    quantity: int | None = None
    amount: Number | None = None
    prorated_amount: Number | None = None
    metadata: UsageProductMetadata | None = None
    total_amount: Number | None = None
    total_credit_used: int | None = None
    total_charge_credit: int | None = None


class Subscription(Struct, frozen=True, kw_only=True):
    """The plan: unit prices in credits, limits and dates."""

    id: int | None = None
    credit: int | None = None
    max_api_monthly_query: int | None = None
    max_api_daily_query: int | None = None
    max_api_hourly_query: int | None = None
    is_not_able_to_subscribe: bool | None = None
    max_portal_monthly_query: int | None = None
    max_portal_daily_query: int | None = None
    max_portal_hourly_query: int | None = None
    amount: Number | None = None
    is_custom_plan: bool | None = None
    currency_id: int | None = None
    currency: str | None = None
    topup_credit_amount: Number | None = None
    name: str | None = None
    slug: str | None = None
    collection: str | None = None
    is_annual: bool | None = None
    is_default: bool | None = None
    identifier: str | None = None
    last_charged: str | None = None
    next_charge_date: str | None = None
    last_usage_charged: str | None = None
    next_usage_charge_date: str | None = None
    last_refill_date: str | None = None
    next_refill_date: str | None = None
    usage_charge_period: int | None = None
    usage_charge_period_type: str | None = None
    charge_period: int | None = None
    charge_period_type: str | None = None
    web_intent_signal_credit: int | None = None
    max_search_page: int | None = None
    max_search_per_page: int | None = None
    phone_number_redeem_credit: int | None = None
    email_redeem_credit: int | None = None
    people_search_credit: int | None = None
    company_search_credit: int | None = None
    data_export_credit: int | None = None
    max_session_per_page: int | None = None
    max_export_limit: int | None = None
    max_select_limit: int | None = None
    max_record_upload_size: int | None = None
    max_company_search_select_limit: int | None = None
    max_people_search_select_limit: int | None = None
    max_channel_email_account: int | None = None
    max_channel_linkedin_account: int | None = None
    max_channel_slack_account: int | None = None
    is_full_export_available: bool | None = None
    is_api_access_available: bool | None = None
    is_add_user_available: bool | None = None
    is_refill_without_charge: bool | None = None
    is_skip_user_related_calculation: bool | None = None
    is_credit_rollover_available: bool | None = None
    is_quota_sharing_available: bool | None = None
    last_modified: str | None = None
    total_credit_used: int | None = None
    total_charge_credit: int | None = None
    credit_refill: int | None = None
    total_amount: Number | None = None
    products: tuple[Product, ...] | None = None
    usage_products: tuple[UsageProduct, ...] | None = None


class Profile(Struct, frozen=True, kw_only=True):
    """The workspace behind the key: balances, plan, unit prices and limits."""

    profile_id: int
    credit: int
    topup_credit: int
    name: str
    description: str | None = None
    is_auto_top_up_credits_enabled: bool | None = None
    auto_top_up_credit: int | None = None
    auto_top_up_balance_fall_below: int | None = None
    subscription: Subscription


class ProfileUsage(Struct, frozen=True, kw_only=True):
    """Request counters and request quotas of the workspace (no credit balances)."""

    api_monthly_usage: int | None = None
    api_daily_usage: int | None = None
    api_hourly_usage: int | None = None
    api_last_refreshed: str | None = None
    portal_monthly_usage: int | None = None
    portal_daily_usage: int | None = None
    portal_hourly_usage: int | None = None
    portal_last_refreshed: str | None = None
    max_api_monthly_query: int | None = None
    max_api_daily_query: int | None = None
    max_api_hourly_query: int | None = None
    max_portal_monthly_query: int | None = None
    max_portal_daily_query: int | None = None
    max_portal_hourly_query: int | None = None
    total_max_api_monthly_query: int | None = None
    total_max_api_daily_query: int | None = None
    total_max_api_hourly_query: int | None = None
    total_max_portal_monthly_query: int | None = None
    total_max_portal_daily_query: int | None = None
    total_max_portal_hourly_query: int | None = None
    is_api_access_available: bool | None = None
    is_quota_sharing_enabled: bool | None = None
    is_quota_sharing_available: bool | None = None
