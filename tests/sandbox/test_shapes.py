"""All endpoints answer, and what the documentation shows of a reply is in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.sandbox.desk import Desk, person
from tests.together import together

TESTS = Path(__file__).parents[1]
ENDPOINTS: dict[str, dict[str, Any]] = {
    each["name"]: each
    for each in msgspec.json.decode((TESTS / "data" / "endpoints.json").read_bytes())
}
DAYS = {"start_date": "2024-12-31", "end_date": "2025-01-02"}
MONITOR = {
    "name": "Jobs in many places",
    "detection_mode": "signal_first",
    "signal_types": ["jobs", "news", "advertisements"],
    "signal_filters": [{"signal_type": "jobs", "filters": {"titles": ["manager"]}}],
    "company_filters": {"employees": [[1, 5000]]},
    "is_company_enrichment": True,
    "is_people_enrichment": True,
    "people_enrichment_configs": [
        {"filters": {"management_levels": ["vp", "manager"]}, "max_people_to_return": 3}
    ],
    "destination_type": "webhook",
    "destination_config": {"webhook_url": "https://hook.example/x", "headers": {}, "body": {}},
}


class Story:
    """One of everything, made when it is asked for."""

    def __init__(self) -> None:
        self.desk = Desk()

    def ask(self, name: str, /, **fields: Any) -> Any:
        endpoint = ENDPOINTS[name]
        status, body = self.desk.ask(endpoint["path"], fields, method=endpoint["method"])
        assert status == 200, (name, body)
        return body

    def row(self, name: str) -> Any:
        data = self.ask(name, per_page=1)["data"]
        return next(value for key, value in data.items() if key != "pagination")[0]

    def monitor(self) -> str:
        return str(self.ask("monitors.create", **MONITOR)["data"]["monitor_id"])

    def run(self) -> dict[str, str]:
        log = self.ask("monitors.try_run", monitor_id=self.monitor())["data"]
        return {name: log[name] for name in ("monitor_id", "monitor_log_id")}

    def template(self) -> dict[str, Any]:
        data = self.ask("channels.templates")["data"]["channel_templates"][0]
        return {name: data[name] for name in ("channel_template_identifier", "channel_template_id")}

    def job(self) -> str:
        data = self.ask("redeem.batch", peoples=[person(1)], people_contact_types=["phone"])
        self.desk.now += 100.0
        return str(data["data"]["redeem_query_id"])

    def log(self) -> str:
        self.ask("profile.get")
        return str(self.row("api_keys.logs")["query_log_id"])


def company(story: Story) -> dict[str, Any]:
    return {"domain_id": story.row("companies.search")["domain_id"]}


def someone(story: Story) -> dict[str, Any]:
    return {"people_search_id": story.row("people.search")["people_search_id"]}


# What each endpoint is asked with; those that are not here take no argument.
REQUESTS: dict[str, Callable[[Story], dict[str, Any]]] = {
    "redeem.people": lambda _: {
        "people_search_id": person(1),
        "people_contact_types": ["email-work", "email-personal", "phone"],
    },
    "redeem.batch": lambda _: {"peoples": [person(1)], "people_contact_types": ["phone"]},
    "redeem.query": lambda story: {"redeem_query_id": story.job()},
    "redeem.contact_lookup": lambda _: {"email": "someone@example.org"},
    "redeem.contact_lookup_batch": lambda _: {"peoples": [{"email": "someone@example.org"}]},
    "people.search_similar": someone,
    "people.lookup": someone,
    "people.enrich": someone,
    "people.linkedin_lookup": lambda story: {
        "people_linkedin_url": story.row("people.search")["linkedin_url"]
    },
    "companies.lookup": company,
    "companies.enrich": company,
    "companies.linkedin_lookup": lambda story: {
        "linkedin_url": story.row("companies.search")["linkedin_url"]
    },
    "lookalikes.search": company,
    "lookalikes.lookup": company,
    "technologies.lookup": company,
    "jobs.lookup": lambda story: {"job_search_id": story.row("jobs.search")["job_search_id"]},
    "news.lookup": lambda story: {"news_search_id": story.row("news.search")["news_search_id"]},
    "advertisements.lookup": lambda story: {
        "advertisement_search_id": story.row("advertisements.search")["advertisement_id"]
    },
    "monitors.create": lambda _: MONITOR,
    "monitors.update": lambda story: {"monitor_id": story.monitor(), "name": "Another"},
    "monitors.get": lambda story: {"monitor_id": story.monitor(), "is_signature_reveal": True},
    "monitors.list": lambda story: {"search_term": story.monitor() and "jobs"},
    "monitors.delete": lambda story: {"monitor_id": story.monitor()},
    "monitors.duplicate": lambda story: {"monitor_id": story.monitor()},
    "monitors.try_run": lambda story: {"monitor_id": story.monitor()},
    "monitors.retry": lambda story: dict(story.run()),
    "monitors.validate_webhook": lambda _: MONITOR,
    "monitors.chart": lambda story: {"monitor_id": story.monitor(), **DAYS},
    "monitors.logs": lambda story: {"monitor_id": story.run()["monitor_id"]},
    "monitors.log": lambda story: {"monitor_log_id": story.run()["monitor_log_id"]},
    "monitors.reveal_signature": lambda story: {"monitor_id": story.monitor()},
    "channels.create_template": lambda story: {
        "channel_template_name": "one",
        "channel_node_id": story.ask("channels.template_types")["data"][0]["channel_nodes"][0][
            "channel_node_id"
        ],
        "parameters": {"content": "x", "subject": "y", "attachments": []},
    },
    "channels.create_template_version": lambda story: story.template(),
    "channels.update_template": lambda story: story.template(),
    "channels.template": lambda story: story.template(),
    "api_keys.logs": lambda story: {"search_term": story.log() and "profile"},
    "api_keys.log": lambda story: {"query_log_id": story.log()},
    "api_keys.daily_usage": lambda _: DAYS,
    "api_keys.usage_breakdown": lambda story: DAYS if story.row("people.search") else {},
}


def check(documented: Any, got: Any, where: str) -> None:
    """Every key of what is documented is in the reply, in the first row of each list."""
    if isinstance(documented, dict):
        optional = set(documented.get("$optional", ()))
        for key in documented.keys() - {"$optional", "$open"}:
            # Request counters and echoed filters are the caller's own.
            assert key in got or key in optional, f"{where}.{key}"
            if key in got and where != ".metadata":
                check(documented[key], got[key], f"{where}.{key}")
    elif isinstance(documented, list):
        assert isinstance(got, list), where
        if documented and isinstance(documented[0], dict) and got:
            check(documented[0], got[0], f"{where}[]")


def test_there_are_64() -> None:
    assert len(ENDPOINTS) == 64
    assert not REQUESTS.keys() - ENDPOINTS.keys()


@together
@pytest.mark.parametrize("name", ENDPOINTS)
def test_every_endpoint_answers_as_documented(name: str) -> None:
    story = Story()
    body = story.ask(name, **REQUESTS.get(name, lambda _: {})(story))
    assert body["data"]
    endpoint = ENDPOINTS[name]
    if endpoint["response"] is not None:
        check(endpoint["response"], body, "")
    for file in endpoint["examples"]:
        # The keys of free maps, such as headers and parameters, are the caller's own.
        if ".response." in file and not file.startswith(("monitors", "redeem_people_contact")):
            check(msgspec.json.decode((TESTS / "samples" / file).read_bytes()), body, "")
    if endpoint["paginated"]:
        assert isinstance(body["data"]["pagination"]["total_entries"], int)
        rows = body["data"][endpoint["items_key"]] if endpoint["items_key"] else [1]
        assert rows


@together
@pytest.mark.parametrize("name", [name for name, each in ENDPOINTS.items() if each["paginated"]])
def test_every_list_has_pages_and_bounds(name: str) -> None:
    story = Story()
    fields = REQUESTS.get(name, lambda _: {})(story)
    path = ENDPOINTS[name]["path"]
    for wrong in ({"page": 0}, {"per_page": 0}, {"per_page": 26}, {"page": "one"}):
        assert story.desk.ask(path, {**fields, **wrong})[0] == 400, wrong
    data = story.ask(name, **{**fields, "page": 100_000, "per_page": 1})["data"]
    assert data["pagination"]["page"] == 100_000
    assert data["pagination"]["total_pages"] >= 1
    assert [value for key, value in data.items() if key != "pagination"] == [[]]


def test_wrong_types_are_refused_everywhere() -> None:
    desk = Desk()
    for name, endpoint in ENDPOINTS.items():
        if endpoint["method"] == "POST":
            assert desk.ask(endpoint["path"], b"[1]")[0] == 400, name
            assert desk.ask(endpoint["path"], b"{")[0] == 400, name
