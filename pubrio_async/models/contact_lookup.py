"""From an e-mail address, a phone number or a name to the person behind it."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from pubrio_async.models.redeem import RedeemCharge


class ContactLookupInput(Struct, frozen=True, kw_only=True):
    """One input of `redeem.contact_lookup_batch`: an e-mail, a phone, or a name with a company.

    Attributes:
        email: A work or personal address; the API normalises case and blanks.
        phone: A phone number, best in E.164 form such as `+15551234567`.
        first_name: With `last_name` and one of `domain` and `company`.
        last_name: With `first_name`.
        domain: The domain of the company, for matching by name.
        company: The name of the company, for matching by name.
    """

    email: str | UnsetType = UNSET
    phone: str | UnsetType = UNSET
    first_name: str | UnsetType = UNSET
    last_name: str | UnsetType = UNSET
    domain: str | UnsetType = UNSET
    company: str | UnsetType = UNSET


class ContactMatchInput(Struct, frozen=True, kw_only=True, gc=False):
    """The input that matched; pair results with inputs by it, not by their position.

    Attributes:
        value: The address, number, domain or company, as it was matched.
        type: What `value` is, such as `email-work` or `domain`.
    """

    value: str | None = None
    type: str | None = None


class ContactMatch(Struct, frozen=True, kw_only=True, gc=False):
    """How a person was matched.

    Attributes:
        confidence: `exact`, `similarity_domain`, `similarity_company`, or a word the API adds.
        input: The input that matched.
        is_duplicate_input: True if the same input came before; a repeat is not charged.
    """

    confidence: str | None = None
    input: ContactMatchInput | None = None
    is_duplicate_input: bool | None = None


class MatchedPerson(Struct, frozen=True, kw_only=True, gc=False):
    """The person behind an input.

    Attributes:
        people_search_id: The person's id (a UUID as text), good for `redeem.people`.
        first_name: From the single lookup; UNSET in the bulk form.
        last_name: Likewise.
        people_name: The whole name.
        company_name: Where the person works.
        domain: The domain of that company.
        match: Which input led here, and how surely.
    """

    people_search_id: str | None = None
    first_name: str | UnsetType | None = UNSET
    last_name: str | UnsetType | None = UNSET
    people_name: str | None = None
    company_name: str | None = None
    domain: str | None = None
    match: ContactMatch | None = None


class ContactLookupReply(Struct, frozen=True, kw_only=True):
    """The reply of both contact lookups.

    Attributes:
        profile: The cost and the balances after it.
        peoples: The people found, in no promised order.
    """

    profile: RedeemCharge | None = None
    peoples: tuple[MatchedPerson, ...] | None = None
