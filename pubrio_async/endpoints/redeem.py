"""Turning people into contacts, and contacts into people. These calls spend credits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import UNSET, UnsetType

from pubrio_async._routes import (
    REDEEM_BATCH,
    REDEEM_CONTACT_LOOKUP,
    REDEEM_CONTACT_LOOKUP_BATCH,
    REDEEM_PEOPLE,
    REDEEM_QUERY,
)
from pubrio_async.endpoints._base import ContactTypeName, Endpoints
from pubrio_async.models import (
    ContactLookupInput,
    ContactLookupReply,
    RedeemJob,
    RedeemPeopleReply,
    RedeemQueryReply,
)


class Redeem(Endpoints):
    """The `redeem` group."""

    async def people(
        self,
        *,
        people_contact_types: Sequence[ContactTypeName],
        people_search_id: str | UnsetType = UNSET,
        linkedin_url: str | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> RedeemPeopleReply:
        """Unlocks the contacts of one person and returns them at once. Spends credits.

        Only contacts that are returned are charged; the cost is in `reply.profile`. If the
        answer is lost the call is not sent again: it may have been charged.

        Args:
            people_contact_types: What to look for, one to three of `email-work`,
                `email-personal`, `phone`.
            people_search_id: The person's id (UUID) from any search or lookup; exactly one of
                this and `linkedin_url`. Only the API checks whether it is one.
            linkedin_url: The person's page; starts with `http` and contains `linkedin.com/in/`
                or `linkedin.com/pub/`.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The person with the contacts found, and the cost.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.
            PubrioError: The call failed; `may_have_charged` says whether it may have cost.

        API page: en/api-reference/endpoint/redeem/people
        """
        return await self._call(REDEEM_PEOPLE, locals())

    async def batch(
        self,
        *,
        peoples: Sequence[str],
        people_contact_types: Sequence[ContactTypeName],
        profile_id: int | UnsetType = UNSET,
    ) -> RedeemJob:
        """Starts a job that unlocks the contacts of many people. Spends credits.

        Keep `redeem_query_id`: the job goes on and is charged without you, and nothing else
        leads back to its result. `redeem.many` does all of this for lists of any length.

        Args:
            peoples: Ids (UUIDs) of the people; no LinkedIn URLs. Only the API checks whether they
                are ids. It charges a person that is named twice once.
            people_contact_types: What to look for, one to three of `email-work`,
                `email-personal`, `phone`.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The job, with the time it is expected to take.

        Raises:
            ConfigurationError: An argument is malformed; nothing was sent.
            PubrioError: The call failed; `may_have_charged` says whether it may have cost.

        API page: en/api-reference/endpoint/redeem/people/batch
        """
        return await self._call(REDEEM_BATCH, locals())

    async def query(
        self, *, redeem_query_id: str, profile_id: int | UnsetType = UNSET
    ) -> RedeemQueryReply:
        """Asks for the state of a job, and for its result once it is completed. Free.

        Args:
            redeem_query_id: The job's id (UUID) from `redeem.batch`.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The state; with `is_completed`, also the people and what the job cost in total.

        Raises:
            ConfigurationError: The id is blank; nothing was sent.
            PubrioError: The call failed; it is free and may be repeated.

        API page: en/api-reference/endpoint/redeem/people/batch/query
        """
        return await self._call(REDEEM_QUERY, locals())

    async def contact_lookup(
        self,
        *,
        email: str | UnsetType = UNSET,
        phone: str | UnsetType = UNSET,
        first_name: str | UnsetType = UNSET,
        last_name: str | UnsetType = UNSET,
        domain: str | UnsetType = UNSET,
        company: str | UnsetType = UNSET,
        is_enable_similarity_search: bool | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> ContactLookupReply:
        """Finds the person behind an e-mail, a phone, or a name with a company. Spends credits.

        An exact match by `email` or `phone` comes first. One credit is charged for a match.

        Args:
            email: A work or personal address; the API normalises case and blanks. At least one
                is needed of this, `phone`, and a name as described below.
            phone: A phone number, best in E.164 form such as `+15551234567`.
            first_name: A name is all of: this, `last_name`, `domain` or `company`, and
                `is_enable_similarity_search=True`.
            last_name: With `first_name`.
            domain: The domain of the company, for matching by name.
            company: The name of the company, for matching by name.
            is_enable_similarity_search: Must be True for matching by name.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The people found, with the input that matched and how surely, and the cost.

        Raises:
            ConfigurationError: There is nothing to look for; nothing was sent.
            PubrioError: The call failed; `may_have_charged` says whether it may have cost.

        API page: en/api-reference/endpoint/redeem/people/contact/lookup
        """
        return await self._call(REDEEM_CONTACT_LOOKUP, locals())

    async def contact_lookup_batch(
        self,
        *,
        peoples: Sequence[ContactLookupInput | Mapping[str, Any]],
        is_enable_similarity_search: bool | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> ContactLookupReply:
        """Finds the people behind many e-mails, phones or names, at once. Spends credits.

        One credit is charged for a match; misses and repeated inputs cost nothing. Pair results
        with inputs by `match.input`, not by their position.

        Args:
            peoples: An object for each input, `ContactLookupInput` or a mapping with the same
                members; how many the plan allows in one call is not documented.
            is_enable_similarity_search: Must be True for matching by name; it holds for all
                inputs.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The people found, each with the input that matched, and the cost.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.
            PubrioError: The call failed; `may_have_charged` says whether it may have cost.

        API page: en/api-reference/endpoint/redeem/people/contact/lookup/batch
        """
        return await self._call(REDEEM_CONTACT_LOOKUP_BATCH, locals())
