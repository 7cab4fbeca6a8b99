"""What a monitor is made of, for the requests that create, change or test one.

A plain mapping is taken wherever one of these is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from msgspec import UNSET, Struct, UnsetType


class SignalFilter(Struct, frozen=True, kw_only=True):
    """Which signals of one type count.

    Attributes:
        signal_type: `jobs`, `news` or `advertisements`.
        filters: The filters of `jobs.search`, `news.search` or `advertisements.search`.
    """

    signal_type: Literal["jobs", "news", "advertisements"]
    filters: Mapping[str, Any]


class PeopleEnrichmentConfig(Struct, frozen=True, kw_only=True):
    """Which people of a company are delivered with a signal, and with which contacts.

    Attributes:
        filters: The filters of `people.search`.
        max_people_to_return: Most people for one company, 1 to 25.
        people_contact_types: Contacts to unlock for them: `email-work`, `email-personal`,
            `phone`. Each run is charged for what it finds.
    """

    filters: Mapping[str, Any] | UnsetType = UNSET
    max_people_to_return: int | UnsetType = UNSET
    people_contact_types: Sequence[Literal["email-work", "email-personal", "phone"]] | UnsetType = (
        UNSET
    )


class WebhookDestination(Struct, frozen=True, kw_only=True):
    """The `destination_config` of `destination_type="webhook"`.

    Attributes:
        webhook_url: Where deliveries are sent: a public https URL.
        headers: Sent with every delivery; the place for a secret of one's own.
        body: Its keys are merged into the root of every payload.
    """

    webhook_url: str
    headers: Mapping[str, str] | UnsetType = UNSET
    body: Mapping[str, Any] | UnsetType = UNSET

    __rich_repr__: ClassVar[Any] = None  # it would show all fields

    def __repr__(self) -> str:
        # The headers hold what deliveries are recognised by; many URLs of webhooks are secret.
        return "<WebhookDestination>"


class EmailDestination(Struct, frozen=True, kw_only=True):
    """The `destination_config` of `destination_type="email"`.

    Attributes:
        email: Where deliveries are sent.
    """

    email: str


class SequencesDestination(Struct, frozen=True, kw_only=True):
    """The `destination_config` of `destination_type="sequences"`.

    Attributes:
        sequence_identifier: The sequence that people are added to.
        record_type: The kind of record; the API documents no values.
    """

    sequence_identifier: str
    record_type: str
