"""Routes of `profile` and `user`: who the key belongs to."""

from __future__ import annotations

from typing import Any

from pubrio_async._routes.route import Route
from pubrio_async._wire import data_decoder
from pubrio_async.models import Profile, ProfileUsage

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
