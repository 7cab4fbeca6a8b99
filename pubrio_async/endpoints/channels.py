"""Templates of what is sent to people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import UNSET, UnsetType

from pubrio_async._routes import (
    CHANNELS_CREATE_TEMPLATE,
    CHANNELS_CREATE_TEMPLATE_VERSION,
    CHANNELS_TEMPLATE,
    CHANNELS_TEMPLATE_TYPES,
    CHANNELS_TEMPLATES,
    CHANNELS_UPDATE_TEMPLATE,
)
from pubrio_async.endpoints._base import Endpoints
from pubrio_async.endpoints._pages import Pages
from pubrio_async.models import (
    ChannelTemplate,
    ChannelTemplateCreated,
    ChannelTemplatesReply,
    ChannelTemplateUpdated,
    ChannelTemplateVersion,
    ChannelType,
)


class Channels(Endpoints):
    """The `channels` group."""

    async def templates(
        self,
        *,
        channel_template_name: str | UnsetType = UNSET,
        channel_nodes: Sequence[str] | UnsetType = UNSET,
        channel_types: Sequence[int] | UnsetType = UNSET,
        per_page: int | UnsetType = UNSET,
        page: int | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> ChannelTemplatesReply:
        """Lists templates with their versions, one page of them. Free.

        Args:
            channel_template_name: The name to look for.
            channel_nodes: `channel_node_id` values (UUIDs) from `channels.template_types`.
            channel_types: `channel_type_id` values from `channels.template_types`.
            per_page: Rows in a page, from 1 to 25; by default 25.
            page: The page, from 1; by default 1.
            profile_id: Not needed; the key names the workspace.

        Returns:
            One page of templates.

        Raises:
            ConfigurationError: An argument is malformed; nothing was sent.
            PubrioError: The call failed; it is free and may be repeated.

        API page: en/api-reference/endpoint/channels/templates/templates
        """
        return await self._call(CHANNELS_TEMPLATES, locals())

    def templates_iter(
        self,
        *,
        channel_template_name: str | UnsetType = UNSET,
        channel_nodes: Sequence[str] | UnsetType = UNSET,
        channel_types: Sequence[int] | UnsetType = UNSET,
        per_page: int | UnsetType = UNSET,
        page: int | UnsetType = UNSET,
        max_items: int | None = None,
        max_pages: int | None = None,
        profile_id: int | UnsetType = UNSET,
    ) -> Pages[ChannelTemplate]:
        """Iterates over the rows of all pages of `templates`. Free.

        Each page is a call, made when its first row is asked for.

        Args:
            channel_template_name: As in `templates`.
            channel_nodes: As in `templates`.
            channel_types: As in `templates`.
            per_page: Rows in a page, from 1 to 25; by default 25.
            page: The page to begin with, from 1; by default 1.
            max_items: Most rows to hand out; None for no bound.
            max_pages: Most pages to fetch; None for no bound.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The templates; the errors of a page are raised while iterating.

        Raises:
            ConfigurationError: An argument is malformed; nothing was sent.

        API page: en/api-reference/endpoint/channels/templates/templates
        """
        return self._pages(CHANNELS_TEMPLATES, locals())

    async def create_template(
        self,
        *,
        channel_template_name: str,
        channel_node_id: str,
        parameters: Mapping[str, Any],
        version_name: str | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> ChannelTemplateCreated:
        """Makes a template with its first version. Free.

        Args:
            channel_template_name: What to call it.
            channel_node_id: What it is for (UUID), from `channels.template_types`.
            parameters: What is sent; for `send_email`: `subject`, `content` (HTML) and
                `attachments` (a list).
            version_name: What to call the version.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The template; there is no call that deletes it.

        Raises:
            ConfigurationError: An argument is missing or malformed; nothing was sent.
            PubrioError: The call failed. After a lost answer look at `channels.templates`
                before making it again.

        API page: en/api-reference/endpoint/channels/templates/create
        """
        return await self._call(CHANNELS_CREATE_TEMPLATE, locals())

    async def create_template_version(
        self,
        *,
        channel_template_identifier: str,
        channel_template_id: int | str | UnsetType = UNSET,
        version_name: str | UnsetType = UNSET,
        is_default: bool | UnsetType = UNSET,
        parameters: Mapping[str, Any] | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> ChannelTemplateCreated:
        """Adds a version to a template. Free.

        Args:
            channel_template_identifier: The template's id (UUID).
            channel_template_id: The id of a version.
            version_name: What to call the version.
            is_default: True makes it the only default of the template.
            parameters: What is sent.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The new version.

        Raises:
            ConfigurationError: The identifier is blank; nothing was sent.
            PubrioError: The call failed. After a lost answer look at `channels.template` before
                adding it again.

        API page: en/api-reference/endpoint/channels/templates/create_version
        """
        return await self._call(CHANNELS_CREATE_TEMPLATE_VERSION, locals())

    async def update_template(
        self,
        *,
        channel_template_identifier: str,
        channel_template_id: int | str,
        channel_template_name: str | UnsetType = UNSET,
        version_name: str | UnsetType = UNSET,
        parameters: Mapping[str, Any] | UnsetType = UNSET,
        profile_id: int | UnsetType = UNSET,
    ) -> ChannelTemplateUpdated:
        """Changes one version of a template. Free.

        Args:
            channel_template_identifier: The template's id (UUID).
            channel_template_id: The version's id, as the replies have it.
            channel_template_name: What to call the template.
            version_name: What to call the version.
            parameters: What is sent.
            profile_id: Not needed; the key names the workspace.

        Returns:
            The version, as far as the reply is documented.

        Raises:
            ConfigurationError: An id is blank; nothing was sent.
            PubrioError: The call failed.

        API page: en/api-reference/endpoint/channels/templates/update
        """
        return await self._call(CHANNELS_UPDATE_TEMPLATE, locals())

    async def template(
        self, *, channel_template_identifier: str, profile_id: int | UnsetType = UNSET
    ) -> tuple[ChannelTemplateVersion, ...]:
        """Reads all versions of one template. Free.

        Args:
            channel_template_identifier: The template's id (UUID).
            profile_id: Not needed; the key names the workspace.

        Returns:
            The versions.

        Raises:
            ConfigurationError: The identifier is blank; nothing was sent.
            PubrioError: The call failed; it is free and may be repeated.

        API page: en/api-reference/endpoint/channels/templates/lookup
        """
        return await self._call(CHANNELS_TEMPLATE, locals())

    async def template_types(self) -> tuple[ChannelType, ...]:
        """Reads what there is to make templates for, and which parameters it takes. Free.

        Returns:
            The types of channels with their nodes.

        Raises:
            PubrioError: The call failed; it is free and may be repeated.

        API page: en/api-reference/endpoint/channels/types/template_types
        """
        return await self._call(CHANNELS_TEMPLATE_TYPES, locals())
