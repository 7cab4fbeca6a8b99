"""Outreach templates and their versions."""

from __future__ import annotations

from typing import Any

from tests.sandbox.desk import Desk, person

MAIL = {"subject": "Hello", "content": "<p>you</p>", "attachments": []}


class ChannelDesk(Desk):
    def told(self, path: str, **fields: Any) -> Any:
        status, body = self.ask(f"/channels/templates{path}", fields)
        assert status == 200, body
        return body["data"]

    def refused(self, path: str, **fields: Any) -> bool:
        return self.ask(f"/channels/templates{path}", fields)[0] == 400

    def node(self) -> str:
        (kind, *_) = self.ask("/channels/types/templates", method="GET")[1]["data"]
        return str(kind["channel_nodes"][0]["channel_node_id"])

    def make(self, name: str = "First contact", **fields: Any) -> Any:
        return self.told(
            "/create",
            channel_template_name=name,
            channel_node_id=self.node().upper(),
            parameters=MAIL,
            **fields,
        )

    def names(self, **fields: Any) -> list[str]:
        return [row["name"] for row in self.told("", **fields)["channel_templates"]]


def test_there_is_one_from_the_start() -> None:
    desk = ChannelDesk()
    (row,) = desk.told("")["channel_templates"]
    (version,) = row["channel_template_versions"]
    assert row["created_at"] == "2025-01-01T00:00:00.000Z"
    assert version["created_at"] == "2025-01-01T00:00:00.000000"
    assert row["channel_node_id"] == desk.node()
    assert version["parameters"]["subject"]


def test_templates_are_made_and_found() -> None:
    desk = ChannelDesk()
    desk.now = 60.0
    made = desk.make(version_name="short")
    assert (made["version_number"], made["version_name"], made["is_default"]) == (1, "short", True)
    assert made["created_at"] == "2025-01-01T00:01:00.000Z"
    (row,) = desk.told("/lookup", channel_template_identifier=made["channel_template_identifier"])
    assert row["parameters"] == MAIL
    assert row["description"] is None
    for each in ("one", "two"):
        desk.make(each)
    assert desk.names() == ["email", "First contact", "one", "two"]
    assert desk.names(channel_template_name="CONTACT") == ["First contact"]
    assert desk.names(channel_nodes=[desk.node()], channel_types=[1], page=2, per_page=3) == ["two"]
    assert desk.names(channel_nodes=[person(1)]) == desk.names(channel_types=[99]) == []
    pagination = desk.told("", per_page=3)["pagination"]
    assert (pagination["total_entries"], pagination["total_pages"]) == (4, 2)
    assert "total_display_pages" not in pagination


def test_versions_follow_each_other_and_one_is_the_default() -> None:
    desk = ChannelDesk()
    made = desk.make()
    group = {"channel_template_identifier": made["channel_template_identifier"]}
    second = desk.told("/create_version", **group, parameters={"subject": "2"})
    third = desk.told(
        "/create_version",
        **group,
        channel_template_id=str(made["channel_template_id"]),
        version_name="new",
        is_default=True,
    )
    assert (second["version_number"], second["version_name"]) == (2, "version 2")
    assert (third["version_number"], third["parameters"]) == (3, MAIL)
    rows = desk.told("/lookup", **group)
    assert [row["is_default"] for row in rows] == [False, False, True]
    assert len({row["channel_template_id"] for row in rows}) == 3
    listed = desk.told("", channel_template_name="First")["channel_templates"][0]
    assert listed["channel_template_id"] == third["channel_template_id"]
    assert len(listed["channel_template_versions"]) == 3


def test_an_update_changes_one_version_and_the_name_of_all() -> None:
    desk = ChannelDesk()
    made = desk.make()
    group = {"channel_template_identifier": made["channel_template_identifier"]}
    second = desk.told("/create_version", **group)["channel_template_id"]
    desk.now = 5.0
    told = desk.told(
        "/update",
        **group,
        channel_template_id=second,
        channel_template_name="Renamed",
        version_name="better",
        parameters={"subject": "new"},
    )
    assert told == {
        "channel_template_id": second,
        "last_modified": "2025-01-01T00:00:05.000Z",
        "name": "Renamed",
    }
    first, other = desk.told("/lookup", **group)
    assert (first["name"], other["name"]) == ("Renamed", "Renamed")
    assert (first["parameters"], other["parameters"]) == (MAIL, {"subject": "new"})
    assert (first["version_name"], other["version_name"]) == ("version 1", "better")
    before = desk.told("/lookup", **group)
    desk.told("/update", **group, channel_template_id=second)
    assert desk.told("/lookup", **group) == before


def test_refusals() -> None:
    desk = ChannelDesk()
    made = desk.make()
    group = {"channel_template_identifier": made["channel_template_identifier"]}
    unknown = {"channel_template_identifier": person(1)}
    create = {"channel_template_name": "x", "channel_node_id": desk.node(), "parameters": {}}
    for wrong in (
        {"channel_node_id": person(1)},
        {"channel_node_id": "x"},
        {"channel_template_name": ""},
        {"parameters": []},
    ):
        assert desk.refused("/create", **{**create, **wrong})
    assert desk.refused("/update", **group)
    assert desk.refused("/update", **group, channel_template_id=999)
    assert desk.refused("/update", **unknown, channel_template_id=1)
    assert desk.refused("/create_version", **unknown)
    assert desk.refused("/create_version", **group, channel_template_id=person(1))
    assert desk.refused("/lookup", **unknown)
    assert desk.names() == ["email", "First contact"]
