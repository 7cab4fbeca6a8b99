"""Every endpoint as data: where it is, what comes back, and whether it may be sent twice.

The verb says nothing about safety here: almost every read is a POST.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from msgspec import Struct

from pubrio_async._wire import data_decoder, job_decoder, query_decoder
from pubrio_async.models import (
    Profile,
    ProfileUsage,
    RedeemJob,
    RedeemPeopleReply,
    RedeemQueryReply,
)

T = TypeVar("T")


class Route(Struct, Generic[T], frozen=True):
    """One endpoint.

    Attributes:
        name: Its name on the client, `group.method`.
        method: The HTTP verb.
        path: The path below the base URL.
        decode: Turns the body of a success into what the method returns.
        spends_credits: True, False, or None where it is not known.
        safe_to_resend: True if a second copy of the request changes nothing.
    """

    name: str
    method: str
    path: str
    decode: Callable[[bytes], T]
    spends_credits: bool | None
    safe_to_resend: bool

    @property
    def paid(self) -> bool:
        """True unless the call is known to be free."""
        return self.spends_credits is not False

    @property
    def repeatable(self) -> bool:
        """True if a second copy changes nothing and costs nothing."""
        return self.safe_to_resend and not self.paid


_NOBODY = RedeemPeopleReply()
_people_strictly: Callable[[bytes], RedeemPeopleReply] = data_decoder(RedeemPeopleReply)
_people_or_none: Callable[[bytes], RedeemPeopleReply | None] = data_decoder(
    RedeemPeopleReply | None
)


def _people(body: bytes) -> RedeemPeopleReply:
    reply = _people_or_none(body)
    if reply is None:
        # What a miss looks like is not documented; `data: null` must not make it an error.
        return _NOBODY
    # Every field may be absent, so what looks empty may be an object that is none of ours.
    return _people_strictly(body) if reply == _NOBODY else reply


REDEEM_PEOPLE: Route[RedeemPeopleReply] = Route(
    name="redeem.people",
    method="POST",
    path="/redeem/people",
    decode=_people,
    spends_credits=True,
    safe_to_resend=False,
)
REDEEM_BATCH: Route[RedeemJob] = Route(
    name="redeem.batch",
    method="POST",
    path="/redeem/people/batch",
    decode=job_decoder(),
    spends_credits=True,
    safe_to_resend=False,
)
REDEEM_QUERY: Route[RedeemQueryReply] = Route(
    name="redeem.query",
    method="POST",
    path="/redeem/people/batch/query",
    decode=query_decoder(),
    spends_credits=False,
    safe_to_resend=True,
)
PROFILE_GET: Route[Profile] = Route(
    name="profile.get",
    method="POST",
    path="/profile",
    decode=data_decoder(Profile),
    spends_credits=False,
    safe_to_resend=True,
)
PROFILE_USAGE: Route[ProfileUsage] = Route(
    name="profile.usage",
    method="POST",
    path="/profile/usage",
    decode=data_decoder(ProfileUsage),
    spends_credits=False,
    safe_to_resend=True,
)
USER_GET: Route[Any] = Route(
    name="user.get",
    method="GET",
    path="/user",
    decode=data_decoder(Any),
    spends_credits=False,
    safe_to_resend=True,
)
