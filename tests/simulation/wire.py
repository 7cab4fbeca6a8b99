"""The way to the API, watched: what is sent must be in the journal, and nobody is sent twice."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pubrio_async._phase import Phase
from pubrio_async._wire import WireReply, WireRequest
from pubrio_async.sandbox import Sandbox, SandboxTransport
from pubrio_async.scheduler.persons import person_key
from tests.simulation.loop import Fate, never
from tests.simulation.model import Model, Unwritten, short

_REFUSED = frozenset({400, 401, 402, 403, 404, 405, 413, 422, 429})
_HALVED = frozenset({400, 413})
_OK = 200
_NO_CREDITS = 402
_THROTTLED = 429
_SERVER_FAULT = 500
_AN_HOUR_S = 3_600.0


class Memory:
    """What is known of the requests of all lives.

    Attributes:
        sent: The people who may have been paid for.
        jobs: The people of each job whose id came back.
        logged: Status and cost of each request that the API's request log has shown.
    """

    def __init__(self) -> None:
        self.sent: set[str] = set()
        self.jobs: dict[str, set[str]] = {}
        self.logged: dict[str, tuple[int, int]] = {}


class Wire:
    """The way to the sandbox, which watches what is sent against what the journal holds.

    Attributes:
        broken: The first promise that was broken.
        delivered: The people whose contacts came back.
        poor: Whether the API has said that the credits do not suffice.
        halved: How many batches were refused, which come back as two.
        throttled: How many requests were refused by a rate limit, or by a fault that claims so.
        looked: Whether the request log was asked.
        found: Jobs that it has told of.
        patient: How many polls came after an hour: no estimate is believed that says more.
    """

    def __init__(
        self,
        inner: SandboxTransport,
        model: Model,
        fate: Fate,
        memory: Memory,
        unwritten: Unwritten,
    ) -> None:
        self._inner = inner
        self._model = model
        self._fate = fate
        self._memory = memory
        self._unwritten = unwritten
        self.broken: str | None = None
        self.delivered: set[str] = set()
        self.poor = False
        self.halved: int = 0
        self.throttled: int = 0
        self.looked = False
        self.found: set[str] = set()
        self.patient: int = 0
        self._polled_at: dict[str, float] = {}

    @property
    def in_flight(self) -> int:
        return self._inner.in_flight

    async def send(self, request: WireRequest, *, timeout: float, phase: Phase) -> WireReply:
        if self._fate.dead:
            await never()
        sent = self._memory.sent
        body = msgspec.json.decode(request.body or b"{}")
        people: set[str] = set()
        if request.paid:
            people = set(body.get("peoples") or [_person(body)])
            self._watch_submit(people)
        elif "redeem_query_id" in body:
            self._watch_poll(body["redeem_query_id"])
        self.looked |= request.path.startswith("/api_keys")
        sent |= people
        about = short(*people) or short(body.get("redeem_query_id", ""))
        self._fate.tell(f"send {request.path} {about}")
        try:
            reply = await self._inner.send(request, timeout=timeout, phase=phase)
        except BaseException as error:
            self._fate.tell(f"lost {about} {error!r}")
            if not phase.sent:
                sent -= people
            raise
        self._fate.tell(f"{reply.status} {about}")
        if reply.status in _REFUSED:
            sent -= people
            self.poor |= reply.status == _NO_CREDITS and bool(people)
            self.throttled += reply.status == _THROTTLED
            self.halved += reply.status in _HALVED and len(people) > 1
        elif reply.status == _OK:
            self._hear(reply, people, body)
        return reply

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _hear(self, reply: WireReply, people: set[str], asked: dict[str, Any]) -> None:
        try:
            told = msgspec.json.decode(reply.body)["data"]
            if "query_logs" in told:
                for row in told["query_logs"]:
                    about = row["status_code"], row["credits"]
                    self._memory.logged[row["query_log_id"]] = about
            elif "response_body" in told:
                self._hear_log(told)
            elif "redeem_query_id" in told:
                self._memory.jobs[told["redeem_query_id"]] = people
                self._polled_at[told["redeem_query_id"]] = asyncio.get_running_loop().time()
            elif people:
                self.delivered |= people if "peoples" in told else set()
            elif told["query"]["is_completed"]:
                self.delivered |= self._memory.jobs.get(asked["redeem_query_id"], set())
        except (msgspec.DecodeError, KeyError, TypeError):
            return  # made unreadable on the way, or about something else

    def _hear_log(self, entry: dict[str, Any]) -> None:
        """The log tells what was answered to a request: who was refused may be sent again."""
        asked = msgspec.json.decode(entry["request_body"])
        if "people_contact_types" not in asked:
            return
        people = set(asked.get("peoples") or [_person(asked)])
        status, cost = self._memory.logged[entry["query_log_id"]]
        if status in _REFUSED or (status >= _SERVER_FAULT and len(people) == 1 and not cost):
            self._memory.sent -= people
        elif status == _OK:
            told = msgspec.json.decode(entry["response_body"])["data"]
            if "redeem_query_id" in told:
                self._memory.jobs[told["redeem_query_id"]] = people
                self.found.add(told["redeem_query_id"])

    def _watch_submit(self, people: set[str]) -> None:
        again = people & self._memory.sent
        if again:
            self._break(f"sent again though perhaps paid for: {min(again)}")
        intended = {
            key for entry in self._model.opened if entry.job is None for key in entry.batch.keys
        }
        if not people <= intended:
            self._break("sent without an intent in the journal")

    def _watch_poll(self, query_id: str) -> None:
        now = asyncio.get_running_loop().time()
        self.patient += now - self._polled_at.get(query_id, now) >= _AN_HOUR_S
        self._polled_at[query_id] = now
        if query_id in self._unwritten.jobs:
            return  # it could not be written down
        jobs = [entry.job for entry in self._model.opened]
        if not any(job is not None and job.redeem_query_id == query_id for job in jobs):
            self._break("polled a job that the journal does not hold")

    def _break(self, what: str) -> None:
        self.broken = self.broken or what


def _person(body: Mapping[str, Any]) -> str:
    return body.get("people_search_id") or person_key(body["linkedin_url"])


def expected(sandbox: Sandbox, key: str, types: Sequence[str]) -> list[tuple[Any, ...]]:
    """What the sandbox has of a person, in an order that can be compared."""
    person = sandbox.id_for_linkedin(key) if key.startswith("https") else key
    contacts = sandbox.contacts_for(person, types) if person else ()
    return sorted(((c.type, c.value, c.status) for c in contacts), key=str)
