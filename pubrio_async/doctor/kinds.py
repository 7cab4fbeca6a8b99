"""Which type the reply of an endpoint is read as, and the comparison of a whole reply with it."""

from __future__ import annotations

from functools import cache
from typing import Any, Final, cast, get_type_hints

import msgspec
from msgspec import NODEFAULT, inspect

from pubrio_async.client import AsyncPubrio
from pubrio_async.doctor.drift import Comparison, Drift, compare
from pubrio_async.doctor.nodes import in_words
from pubrio_async.doctor.outline import outline_of
from pubrio_async.doctor.words import VOCABULARY, is_object

PARTIAL: Final = frozenset(
    {
        *("PersonRow", "SimilarPersonRow", "SimilarPeopleReply", "CompanyRow", "AdvertisementRow"),
        *("MonitorRow", "MonitorUpdated", "MonitorWebhookCheck"),
        *("ChannelType", "ChannelNode", "ChannelTemplateUpdated"),
    }
)
"""Structs of which the API says itself that it documents only a part."""


@cache
def kind_of_reply(name: str) -> Any:
    """What the method of an endpoint gives back: a Struct, a tuple of them, or `Any`.

    Args:
        name: The endpoint, such as `people.search`.
    """
    group, _, method = name.partition(".")
    return get_type_hints(getattr(get_type_hints(AsyncPubrio)[group], method))["return"]


def compare_reply(name: str, body: Any) -> Comparison:
    """Holds a raw reply against the type its endpoint is read as.

    Args:
        name: The endpoint.
        body: The whole reply, decoded JSON.

    Returns:
        Where they differ. What no type describes is in `undescribed`, with the types seen.
    """
    if is_object(body) and "data" in body:
        return compare(cast("Any", body), _envelope(name), "", words=VOCABULARY, partial=PARTIAL)
    kind = kind_of_reply(name)
    # The client takes the whole body then; that is an assumption, and worth a line.
    missing = Drift(
        path="data",
        kind="missing_field",
        expected=in_words(inspect.type_info(kind)),
        seen=("nothing",),
        count=1,
    )
    if kind is Any:
        return Comparison(drift=(missing,), not_seen=(), undescribed=outline_of(body, ""))
    whole = compare(body, kind, "", words=VOCABULARY, partial=PARTIAL)
    return msgspec.structs.replace(whole, drift=(missing, *whole.drift))


@cache
def _envelope(name: str) -> Any:
    """The type of a whole reply."""
    fields: list[Any] = [("data", kind_of_reply(name), NODEFAULT)]
    if name.startswith("api_keys."):
        # It echoes the request.
        fields.append(("metadata", dict[str, Any]))
    return msgspec.defstruct("Envelope", fields, kw_only=True)
