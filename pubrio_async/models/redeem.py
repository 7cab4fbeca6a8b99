"""What the `redeem` endpoints send back.

The words of the server stay open: an unknown contact type or status becomes a new member
instead of an error. Rows are frozen, hold tuples and are invisible to the cyclic garbage
collector, which is most of what a large reply costs.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct

Number = int | float

_MAX_LEARNED = 1_000


class _OpenWord(StrEnum):
    """A word of the server: known ones are members, unknown ones become members when met."""

    @classmethod
    def _missing_(cls, value: object) -> Any:
        if not isinstance(value, str):
            return None
        learned = _LEARNED.setdefault(cls, {})
        word = learned.get(value)
        if word is None:
            word = str.__new__(cls, value)
            word._name_ = value
            word._value_ = value
            # Bounded: a server that makes up words must not fill the memory.
            if len(learned) < _MAX_LEARNED:
                learned[value] = word
        return word


_LEARNED: dict[type[_OpenWord], dict[str, Any]] = {}


class ContactType(_OpenWord):
    """The kind of a contact; equal to the plain string."""

    EMAIL_WORK = "email-work"
    EMAIL_PERSONAL = "email-personal"
    PHONE = "phone"


class ContactStatus(_OpenWord):
    """What the API says of a contact's validity; equal to the plain string."""

    VERIFIED = "Verified"


class Contact(Struct, frozen=True, gc=False):
    """One e-mail address or phone number.

    Attributes:
        value: The address or number. Personal data: never logged by this package.
        type: `email-work`, `email-personal`, `phone`, or a word the API adds later.
        status: `Verified`, another word of the API, or None.
    """

    value: str
    type: ContactType | None = None
    status: ContactStatus | None = None


class RedeemedPerson(Struct, frozen=True, gc=False):
    """One person of a redeem reply with the contacts that were found.

    Attributes:
        people_search_id: The person's id (a UUID as text).
        emails: The e-mail addresses; None where the API left the list out or null.
        phones: The phone numbers; None where the API left the list out or null.
    """

    people_search_id: str | None = None
    emails: tuple[Contact, ...] | None = None
    phones: tuple[Contact, ...] | None = None


class RedeemCharge(Struct, frozen=True, omit_defaults=True):
    """What a redeem cost and what is left.

    Attributes:
        credit: Plan credits left after the charge.
        topup_credit: Top-up credits left after the charge. Not known to be part of `credit`
            or beside it: show both, never add them.
        total_credit_cost: The cost as the single endpoint reports it.
        total_charged_credit: The cost as the batch poll reports it.
    """

    credit: Number | None = None
    topup_credit: Number | None = None
    total_credit_cost: Number | None = None
    total_charged_credit: Number | None = None

    @property
    def charged(self) -> Number | None:
        """Credits charged, whichever of the two names the API used."""
        if self.total_charged_credit is not None:
            return self.total_charged_credit
        return self.total_credit_cost


class RedeemPeopleReply(Struct, frozen=True):
    """The reply of `redeem.people`: one person, at once."""

    profile: RedeemCharge | None = None
    peoples: tuple[RedeemedPerson, ...] | None = None


class RedeemJob(Struct, frozen=True):
    """The state of a job.

    Attributes:
        redeem_query_id: The job's id; the only way back to a job that has been paid for.
        is_completed: True once the result can be had.
        estimated_time: How long the job is expected to take, in `estimated_time_type`.
        estimated_time_type: The unit; `second` has been seen.
    """

    redeem_query_id: str
    is_completed: bool = False
    estimated_time: Number | None = None
    estimated_time_type: str | None = None


class RedeemQueryReply(Struct, frozen=True, kw_only=True):
    """The reply of `redeem.query`.

    Attributes:
        profile: The cost of the job and the balances; may be absent before completion.
        query: The state of the job.
        peoples: The people, once the job is completed.
    """

    profile: RedeemCharge | None = None
    query: RedeemJob
    peoples: tuple[RedeemedPerson, ...] | None = None

    @property
    def is_completed(self) -> bool:
        """True once `peoples` is final."""
        return self.query.is_completed
