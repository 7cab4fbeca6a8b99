"""Routes of `channels`: templates of what is sent to people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pubrio_async._routes.misses import or_empty
from pubrio_async._routes.replies import page_decoder
from pubrio_async._routes.route import Route
from pubrio_async._routes.rules import PAGING, Rules
from pubrio_async._wire import data_decoder
from pubrio_async.models import (
    ChannelTemplate,
    ChannelTemplateCreated,
    ChannelTemplatesReply,
    ChannelTemplateUpdated,
    ChannelTemplateVersion,
    ChannelType,
)


def _list_of(row: Any) -> Callable[[bytes], tuple[Any, ...]]:
    """A decoder of a bare list; null is an empty one."""
    rows: Callable[[bytes], tuple[Any, ...] | None] = data_decoder(tuple[row, ...] | None)

    def decode(body: bytes) -> tuple[Any, ...]:
        return rows(body) or ()

    return decode


CHANNELS_TEMPLATES: Route[ChannelTemplatesReply] = Route(
    name="channels.templates",
    path="/channels/templates",
    decode=page_decoder(ChannelTemplatesReply, tuple[ChannelTemplate, ...], "channel_templates"),
    spends_credits=False,
    safe_to_resend=True,
    rules=Rules(
        lists=("channel_nodes", "channel_types"),
        ranges=PAGING,
    ),
    paginated=True,
    items_key="channel_templates",
)
CHANNELS_CREATE_TEMPLATE: Route[ChannelTemplateCreated] = Route(
    name="channels.create_template",
    path="/channels/templates/create",
    decode=data_decoder(ChannelTemplateCreated),
    spends_credits=False,
    safe_to_resend=False,
    rules=Rules(required=("channel_template_name", "channel_node_id", "parameters")),
)
CHANNELS_CREATE_TEMPLATE_VERSION: Route[ChannelTemplateCreated] = Route(
    name="channels.create_template_version",
    path="/channels/templates/create_version",
    decode=data_decoder(ChannelTemplateCreated),
    spends_credits=False,
    safe_to_resend=False,
    rules=Rules(required=("channel_template_identifier",)),
)
CHANNELS_UPDATE_TEMPLATE: Route[ChannelTemplateUpdated] = Route(
    name="channels.update_template",
    path="/channels/templates/update",
    decode=or_empty(ChannelTemplateUpdated),
    spends_credits=False,
    safe_to_resend=False,
    rules=Rules(required=("channel_template_identifier", "channel_template_id")),
)
CHANNELS_TEMPLATE: Route[tuple[ChannelTemplateVersion, ...]] = Route(
    name="channels.template",
    path="/channels/templates/lookup",
    decode=_list_of(ChannelTemplateVersion),
    spends_credits=False,
    safe_to_resend=True,
    rules=Rules(required=("channel_template_identifier",)),
)
CHANNELS_TEMPLATE_TYPES: Route[tuple[ChannelType, ...]] = Route(
    name="channels.template_types",
    method="GET",
    path="/channels/types/templates",
    decode=_list_of(ChannelType),
    spends_credits=False,
    safe_to_resend=True,
)
