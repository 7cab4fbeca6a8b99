"""The endpoints about outreach templates: groups of versions, one of which is the default."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from pubrio_async.sandbox.account import USER
from pubrio_async.sandbox.bodies import Paged, Uuid, Uuids
from pubrio_async.sandbox.paging import iso_time, page_of, pagination
from pubrio_async.sandbox.people import People, encode, format_id
from pubrio_async.sandbox.samples import sample_data
from pubrio_async.sandbox.wire import Answer, Fields, Handler, bad_request

_Text = Annotated[str, Meta(min_length=1)]
_GREETING: Final[Fields] = {
    "content": "<div>hello world</div>",
    "subject": "Hello World",
    "attachments": [],
}


class _ListBody(Paged, kw_only=True):
    channel_template_name: str | None = None
    channel_nodes: Uuids = None
    channel_types: tuple[int, ...] | None = None


class _CreateBody(Struct, kw_only=True):
    channel_template_name: _Text
    channel_node_id: Uuid
    parameters: dict[str, Any]
    version_name: str | None = None


class _VersionBody(Struct, kw_only=True):
    channel_template_identifier: Uuid
    channel_template_id: int | str | None = None
    version_name: str | None = None
    is_default: bool = False
    parameters: dict[str, Any] | None = None


class _UpdateBody(Struct, kw_only=True):
    channel_template_identifier: Uuid
    channel_template_id: int | str
    channel_template_name: _Text | None = None
    version_name: str | None = None
    parameters: dict[str, Any] | None = None


class _TemplateBody(Struct):
    channel_template_identifier: Uuid


class Node(Struct, frozen=True):
    """Something a channel can do."""

    channel_node_id: str
    node_slug: str
    channel_type_id: int
    type_slug: str


class Version(Struct):
    """One version of a template; times are Unix times."""

    version_id: int
    name: str
    node: Node
    number: int
    version_name: str
    parameters: Fields
    created_at: float
    last_modified: float
    is_default: bool


@cache
def nodes() -> dict[str, Node]:
    """What templates can be for, by id; the types are the documented ones."""
    types = msgspec.json.decode(sample_data("channels.template_types.json"))["data"]
    return {
        node["channel_node_id"]: Node(
            node["channel_node_id"], node["slug"], each["channel_type_id"], each["slug"]
        )
        for each in types
        for node in each["channel_nodes"]
    }


class ChannelDesk:
    """Answers the `channels` endpoints. There is one template from the start."""

    def __init__(self, people: People, wall: Callable[[float], float]) -> None:
        self._people = people
        self._wall = wall
        self._groups: dict[str, list[Version]] = {}
        self._versions = 0

    def handlers(self) -> dict[str, Handler]:
        """What answers which path, but for the list of types."""
        return {
            "/channels/templates": self._list,
            "/channels/templates/create": self._create,
            "/channels/templates/create_version": self._create_version,
            "/channels/templates/update": self._update,
            "/channels/templates/lookup": self._lookup,
        }

    def types(self, _: Fields, __: float) -> Answer:
        """Answers `channels.template_types`."""
        return Answer(sample_data("channels.template_types.json"))

    def _list(self, fields: Fields, _: float) -> Answer:
        wanted = msgspec.convert(fields, _ListBody)
        term = (wanted.channel_template_name or "").lower()
        ids = {each.lower() for each in wanted.channel_nodes or ()}
        kinds = set(wanted.channel_types or ())
        found: list[Fields] = []
        for identifier, versions in self._all().items():
            head = next(each for each in versions if each.is_default)
            if (
                term in head.name.lower()
                and (not ids or head.node.channel_node_id in ids)
                and (not kinds or head.node.channel_type_id in kinds)
            ):
                rows = [_row(identifier, each, plain=True) | _content(each) for each in versions]
                found.append(_row(identifier, head) | {"channel_template_versions": rows})
        told = pagination(len(found), wanted, display=False)
        return _told({"pagination": told, "channel_templates": page_of(found, wanted)})

    def _create(self, fields: Fields, now: float) -> Answer:
        body = msgspec.convert(fields, _CreateBody)
        node = nodes().get(body.channel_node_id.lower())
        if node is None:
            raise bad_request("There is no such channel_node_id.")
        self._all()
        identifier, version = self._add(
            body.channel_template_name, node, body.parameters, body.version_name, now
        )
        return _told(_created(identifier, version))

    def _create_version(self, fields: Fields, now: float) -> Answer:
        body = msgspec.convert(fields, _VersionBody)
        identifier, versions = self._group(body.channel_template_identifier)
        base = versions[-1]
        if body.channel_template_id is not None:
            base = _version(versions, body.channel_template_id)
        number = versions[-1].number + 1
        at = self._wall(now)
        version = Version(
            version_id=self._next_id(),
            name=base.name,
            node=base.node,
            number=number,
            version_name=body.version_name or f"version {number}",
            parameters=base.parameters if body.parameters is None else body.parameters,
            created_at=at,
            last_modified=at,
            is_default=body.is_default,
        )
        if body.is_default:
            for each in versions:
                each.is_default = False
        versions.append(version)
        return _told(_created(identifier, version))

    def _update(self, fields: Fields, now: float) -> Answer:
        body = msgspec.convert(fields, _UpdateBody)
        _, versions = self._group(body.channel_template_identifier)
        version = _version(versions, body.channel_template_id)
        if body.channel_template_name is not None:
            # The name is the template's, whichever version it came with.
            for each in versions:
                each.name = body.channel_template_name
        if body.version_name is not None:
            version.version_name = body.version_name
        if body.parameters is not None:
            version.parameters = body.parameters
        version.last_modified = self._wall(now)
        return _told(
            {
                "channel_template_id": version.version_id,
                "last_modified": iso_time(version.last_modified),
                "name": version.name,
            }
        )

    def _lookup(self, fields: Fields, _: float) -> Answer:
        wanted = msgspec.convert(fields, _TemplateBody).channel_template_identifier
        identifier, versions = self._group(wanted)
        return _told(
            [_row(identifier, each) | _content(each) | {"description": None} for each in versions]
        )

    # ------------------------------------------------------------------------------------------

    def _all(self) -> dict[str, list[Version]]:
        if not self._groups:
            self._add("email", next(iter(nodes().values())), dict(_GREETING), None, 0.0)
        return self._groups

    def _group(self, identifier: str) -> tuple[str, list[Version]]:
        versions = self._all().get(identifier.lower())
        if versions is None:
            raise bad_request("There is no such channel_template_identifier.")
        return identifier.lower(), versions

    def _add(
        self, name: str, node: Node, parameters: Fields, version_name: str | None, now: float
    ) -> tuple[str, Version]:
        at = self._wall(now)
        number = self._next_id()
        version = Version(
            version_id=number,
            name=name,
            node=node,
            number=1,
            version_name=version_name or "version 1",
            parameters=parameters,
            created_at=at,
            last_modified=at,
            is_default=True,
        )
        identifier = format_id(self._people.make_id("channel template", number))
        self._groups[identifier] = [version]
        return identifier, version

    def _next_id(self) -> int:
        self._versions += 1
        return self._versions


def _told(data: object) -> Answer:
    return Answer(encode({"data": data}))


def _version(versions: list[Version], version_id: int | str) -> Version:
    for each in versions:
        if str(each.version_id) == str(version_id):
            return each
    raise bad_request("There is no such channel_template_id.")


def _created(identifier: str, version: Version) -> Fields:
    return {
        "channel_template_id": version.version_id,
        "channel_template_identifier": identifier,
        "created_at": iso_time(version.created_at),
        "version_number": version.number,
        "is_default": version.is_default,
        "name": version.name,
        "channel_node_id": version.node.channel_node_id,
        "parameters": version.parameters,
        "version_name": version.version_name,
    }


def _row(identifier: str, version: Version, *, plain: bool = False) -> Fields:
    node = version.node
    created, modified = iso_time(version.created_at), iso_time(version.last_modified)
    if plain:
        # Inside a list of templates the times of versions have no zone, and more digits.
        created, modified = (time.replace("Z", "000") for time in (created, modified))
    return {
        "channel_template_id": version.version_id,
        "channel_template_identifier": identifier,
        "channel_node_id": node.channel_node_id,
        "channel_node_slug": node.node_slug,
        "channel_type_id": node.channel_type_id,
        "channel_type_slug": node.type_slug,
        "owner_email": USER["email"],
        "owner_name": USER["nickname"],
        "name": version.name,
        "version_number": version.number,
        "version_name": version.version_name,
        "is_default": version.is_default,
        "is_personal": True,
        "created_at": created,
        "last_modified": modified,
    }


def _content(version: Version) -> Fields:
    return {"parameters": version.parameters, "default_values": None}
