"""What the tests of the stand-in share: short ways to ask it something."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from pubrio_async.sandbox import Sandbox, SandboxConfig, SandboxReply, SandboxRequest, parse_fault

KEY = "0123456789abcdef"
ALL_TYPES = ("email-work", "email-personal", "phone")
EVERYBODY = {"work_share": 1.0, "personal_share": 1.0, "phone_share": 1.0}
PEOPLE = "/redeem/people"
BATCH = "/redeem/people/batch"
QUERY = "/redeem/people/batch/query"


def person(number: int) -> str:
    return str(UUID(int=number, version=4))


def persons(count: int, start: int = 0) -> list[str]:
    return [person(number) for number in range(start, start + count)]


class Desk:
    """A sandbox with a clock that is set by hand."""

    def __init__(self, *faults: str, **config: Any) -> None:
        config.setdefault("limits", "unlimited")
        self.sandbox = Sandbox(SandboxConfig(**config))
        for fault in faults:
            self.sandbox.add_fault(parse_fault(fault))
        self.now = 0.0

    def send(
        self, path: str, body: object = None, *, method: str = "POST", key: str | None = KEY
    ) -> SandboxReply:
        raw = body if isinstance(body, bytes) else msgspec.json.encode({} if body is None else body)
        headers = {} if key is None else {"Pubrio-API-Key": key}
        return self.sandbox.handle(SandboxRequest(method, path, headers, raw), self.now)

    def ask(self, path: str, body: object = None, **more: Any) -> tuple[int, Any]:
        reply = self.send(path, body, **more)
        return reply.status, msgspec.json.decode(reply.body)

    def single(self, who: str, *types: str) -> tuple[int, Any]:
        return self.ask(
            PEOPLE, {"people_search_id": who, "people_contact_types": types or ALL_TYPES}
        )

    def batch(self, people: list[str], *types: str) -> tuple[int, Any]:
        return self.ask(BATCH, {"peoples": people, "people_contact_types": types or ALL_TYPES})

    def submit(self, people: list[str], *types: str) -> str:
        status, body = self.batch(people, *types)
        assert status == 200, body
        job: str = body["data"]["redeem_query_id"]
        return job

    def query(self, job: str) -> tuple[int, Any]:
        return self.ask(QUERY, {"redeem_query_id": job})

    def finished(self, job: str) -> dict[str, Any]:
        status, body = self.query(job)
        assert status == 200
        data: dict[str, Any] = body["data"]
        assert data["query"]["is_completed"] is True
        return data

    def logs(self, **wanted: Any) -> list[dict[str, Any]]:
        status, body = self.ask("/api_keys/logs", wanted)
        assert status == 200
        rows: list[dict[str, Any]] = body["data"]["query_logs"]
        return rows


def found(row: dict[str, Any]) -> set[tuple[str, str, str | None]]:
    """The contacts of a row of a reply."""
    rows = [*(row.get("emails") or []), *(row.get("phones") or [])]
    return {(each["value"], each["type"], each["status"]) for each in rows}


def expected(desk: Desk, who: str, *types: str) -> set[tuple[str, str, str | None]]:
    contacts = desk.sandbox.contacts_for(who, types or ALL_TYPES)
    return {(each.value, str(each.type), each.status and str(each.status)) for each in contacts}
