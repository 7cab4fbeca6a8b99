"""What the `channels` endpoints send back: outreach templates and what they are made of."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from pubrio_async.models.pagination import Pagination


class ChannelTemplateVersion(Struct, frozen=True, kw_only=True):
    """One version of a template.

    Attributes:
        channel_template_id: The id of this version.
        channel_template_identifier: The id (a UUID as text) all versions share.
        parameters: What is sent; for `send_email`: `subject`, `content` (HTML), `attachments`.
        default_values: No shape is documented.
        created_at: A time; without a zone inside `channels.templates`.
        last_modified: Likewise.
    """

    channel_template_id: int | None = None
    channel_template_identifier: str | None = None
    channel_node_id: str | None = None
    channel_node_slug: str | None = None
    channel_type_id: int | None = None
    channel_type_slug: str | None = None
    owner_email: str | None = None
    owner_name: str | None = None
    name: str | None = None
    description: str | UnsetType | None = UNSET
    parameters: dict[str, Any] | None = None
    default_values: Any = None
    version_number: int | None = None
    version_name: str | None = None
    is_default: bool | None = None
    is_personal: bool | None = None
    created_at: str | None = None
    last_modified: str | None = None


class ChannelTemplate(Struct, frozen=True, kw_only=True):
    """One template of `channels.templates`, described by its default version.

    Attributes:
        channel_template_id: The id of the version.
        channel_template_identifier: The id (a UUID as text) all versions share.
        channel_template_versions: All versions.
    """

    channel_template_id: int | None = None
    channel_template_identifier: str | None = None
    channel_node_id: str | None = None
    channel_node_slug: str | None = None
    channel_type_id: int | None = None
    channel_type_slug: str | None = None
    owner_email: str | None = None
    owner_name: str | None = None
    name: str | None = None
    version_number: int | None = None
    version_name: str | None = None
    is_default: bool | None = None
    is_personal: bool | None = None
    created_at: str | None = None
    last_modified: str | None = None
    channel_template_versions: tuple[ChannelTemplateVersion, ...] | None = None


class ChannelTemplatesReply(Struct, frozen=True, kw_only=True):
    """One page of `channels.templates`."""

    pagination: Pagination | None = None
    channel_templates: tuple[ChannelTemplate, ...] | None = None


class ChannelTemplateCreated(Struct, frozen=True, kw_only=True):
    """A template or a version that has just been made.

    Attributes:
        channel_template_id: The id of the version.
        channel_template_identifier: The id (a UUID as text) all versions share.
        parameters: What is sent.
    """

    channel_template_id: int
    channel_template_identifier: str
    created_at: str | None = None
    version_number: int | None = None
    is_default: bool | None = None
    name: str | None = None
    channel_node_id: str | None = None
    parameters: dict[str, Any] | None = None
    version_name: str | None = None


class ChannelTemplateUpdated(Struct, frozen=True, kw_only=True):
    """The reply of `channels.update_template`, as far as it is documented."""

    channel_template_id: int | None = None
    last_modified: str | None = None
    name: str | None = None


class ChannelParameter(Struct, frozen=True, kw_only=True):
    """One parameter a template of this kind takes.

    Attributes:
        slug: Its key in `parameters`.
        field_type: Such as `string` or `array`.
        max_length: Most characters, or elements of an array.
        min_length: Fewest characters, or elements of an array.
        supported_tools: What the editor offers: words or objects.
    """

    name: str | None = None
    slug: str | None = None
    hints: str | None = None
    field_type: str | None = None
    max_length: int | None = None
    min_length: int | None = None
    description: str | None = None
    is_required: bool | None = None
    display_type: str | None = None
    supported_tools: tuple[Any, ...] | UnsetType | None = UNSET
    is_template_field: bool | None = None
    is_verify_required: bool | None = None
    is_attachment_allowed: bool | UnsetType | None = UNSET
    is_display_as_snippet: bool | UnsetType | None = UNSET
    is_return_in_plain_text: bool | UnsetType | None = UNSET
    is_hide_from_control_panel: bool | UnsetType | None = UNSET


class ChannelNode(Struct, frozen=True, kw_only=True):
    """One thing a channel can do, such as `send_email`; templates belong to nodes."""

    channel_node_id: str | None = None
    channel_node_identifier: str | None = None
    channel_type_id: int | None = None
    slug: str | None = None
    parameter_properties: tuple[ChannelParameter, ...] | None = None
    is_template_available: bool | None = None


class ChannelType(Struct, frozen=True, kw_only=True):
    """One kind of channel, such as `email`."""

    channel_type_id: int | None = None
    slug: str | None = None
    channel_type_identifier: str | None = None
    logo_url: str | None = None
    node_type: str | None = None
    channel_nodes: tuple[ChannelNode, ...] | None = None
