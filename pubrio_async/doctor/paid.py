"""Probes that spend credits, within a bound: the worst case of each is set aside before it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from pubrio_async.doctor.account import number_of
from pubrio_async.doctor.evidence import Evidence, Exchange, Purpose, objects_in
from pubrio_async.doctor.visit import Visitor
from pubrio_async.doctor.words import is_object
from pubrio_async.models import RedeemJob
from pubrio_async.models.redeem import Number
from pubrio_async.scheduler.budget import CreditBudget, Prices
from pubrio_async.scheduler.persons import NotAPersonError, is_url, person_key
from pubrio_async.scheduler.policy import estimated_seconds

_ROWS: Final = 2
_TYPES: Final = ("email-work",)
_SEARCH_PRICE: Final = 3
_COMPANY_PRICE: Final = 1
_MATCH_PRICE: Final = 1
# Fewer seconds than that are over before an early poll could be answered.
_EARLY_S: Final = 1.0
_MOST_POLLS: Final = 6
_WAIT_S: Final = 5.0
_LONGEST_WAIT_S: Final = 60.0


class Probe(Struct, frozen=True):
    """A paid call.

    Attributes:
        name: The endpoint.
        worst: Most credits it may cost, an estimate by the plan's prices.
        purpose: `again` for the same call once more.
    """

    name: str
    worst: int
    purpose: Purpose = "paid"


class Prober:
    """Makes paid calls as long as the worst case of the next one fits.

    Args:
        visitor: Makes the calls.
        evidence: What came back.
        most: Most credits in all.

    Attributes:
        charged: Credits charged, as reported; where nothing was, by the balances.
        unknown: Calls whose charge was not told; their worst case stays set aside.
        skipped: Probes that were left out, and why.
    """

    def __init__(self, visitor: Visitor, evidence: Evidence, most: int) -> None:
        self.charged: Number = 0
        self.unknown: list[str] = []
        self.skipped: dict[str, str] = {}
        self._visitor = visitor
        self._evidence = evidence
        self._purse = CreditBudget(most, 1)

    def plan(self, only: frozenset[str] | None) -> list[Probe]:
        """The probes, in their order, that fit the bound if each costs its worst case.

        Args:
            only: The endpoints to be looked at; None for all.
        """
        left = self._purse.room() or 0
        fitting: list[Probe] = []
        for probe in self._probes():
            if only is not None and probe.name not in only:
                continue
            if probe.worst > left:
                self.skipped[probe.name] = (
                    f"its worst case, {probe.worst}, is more than --spend leaves"
                )
                continue
            left -= probe.worst
            fitting.append(probe)
        return fitting

    async def carry_out(self, probes: list[Probe]) -> None:
        """Makes the calls.

        Args:
            probes: What `plan` gave.
        """
        for probe in probes:
            fields = self._visitor.stop or self._fields(probe)
            if isinstance(fields, str):
                self.skipped[probe.name] = fields
                continue
            if (self._purse.room() or 0) < probe.worst:
                self.skipped[probe.name] = "what came before cost more than its price"
                continue
            self._purse.reserve(probe.worst)
            if probe.name.endswith(".search"):
                charged = await self._search(probe, fields)
            else:
                one = await self._visitor.call(probe.name, fields, probe.purpose, paid=True)
                charged = await self._follow(one) if probe.name == "redeem.batch" else _cost(one)
            self._purse.settle(probe.worst, charged)
            if charged is None:
                self.unknown.append(probe.name)
            else:
                self.charged += charged

    def _probes(self) -> list[Probe]:
        profile = self._evidence.good("profile.get")
        price: Callable[[str], Number | None] = lambda name: (  # noqa: E731 - one line, used below
            None if profile is None else number_of(profile.member("subscription", name))
        )
        prices = Prices.of_plan(price("email_redeem_credit"), price("phone_number_redeem_credit"))
        one = math.ceil(prices.worst_case(_TYPES))
        # Whether a page or each of its rows is charged is what it is to tell.
        rows = math.ceil(_ROWS * (price("people_search_credit") or _SEARCH_PRICE))
        companies = math.ceil(_ROWS * (price("company_search_credit") or _COMPANY_PRICE))
        search = Probe("people.search", rows)
        rest = [
            Probe("redeem.people", one),
            Probe("redeem.people", one, "again"),
            Probe("redeem.batch", _ROWS * one),
            Probe("redeem.contact_lookup", _MATCH_PRICE),
            Probe("redeem.contact_lookup_batch", _MATCH_PRICE),
        ]
        others = Probe("companies.search", companies)
        # Ids are had for nothing if the log has the reply to a search.
        return [*rest, search, others] if self._ids() else [search, *rest, others]

    def _fields(self, probe: Probe) -> Mapping[str, Any] | str:
        """The request; in words why there is none."""
        ids, types = self._ids(), list(_TYPES)
        match probe.name:
            case "people.search" | "companies.search":
                return {"page": 1, "per_page": _ROWS}
            case "redeem.people" if ids:
                return {"people_search_id": ids[0], "people_contact_types": types}
            case "redeem.batch" if ids:
                return {"peoples": ids[-_ROWS:], "people_contact_types": types}
            case "redeem.contact_lookup" if email := self._email():
                return {"email": email}
            case "redeem.contact_lookup_batch" if email := self._email():
                return {"peoples": [{"email": email}, {"email": email}]}
            case "redeem.people" | "redeem.batch":
                return "no people_search_id to ask for"
            case _:
                return "no e-mail was found to look up"

    def _ids(self) -> list[str]:
        """Ids of people in replies, each once."""
        found: dict[str, None] = {}
        for one in self._evidence:
            for row in one.rows("peoples") if one.ok else ():
                try:
                    key = person_key(str(row.get("people_search_id")))
                except NotAPersonError:
                    continue
                if not is_url(key):
                    found[key] = None
        return list(found)

    def _email(self) -> str | None:
        for one in self._evidence:
            for person in one.rows("peoples") if one.name == "redeem.people" and one.ok else ():
                for contact in objects_in(person.get("emails")):
                    value = contact.get("value")
                    if isinstance(value, str) and "@" in value:
                        return value
        return None

    async def _search(self, probe: Probe, fields: Mapping[str, Any]) -> Number | None:
        """A search tells no cost: the balances around it do, unless others spend meanwhile."""
        before = _balance(await self._visitor.call("profile.get", {}, "again"))
        one = await self._visitor.call(probe.name, fields, "paid", paid=True)
        after = _balance(await self._visitor.call("profile.get", {}, "again"))
        if before is None or after is None or after > before:
            return None
        if probe.name == "people.search" and one.ok:
            self._evidence.search_cost = before - after
        return before - after

    async def _follow(self, submitted: Exchange) -> Number | None:
        """Polls a job to its end; gives what it cost."""
        found = submitted.member("redeem_query_id") or submitted.member("query", "redeem_query_id")
        if not isinstance(found, str) or not found:
            return None if submitted.error is None or _may_have_charged(submitted) else 0
        wait = _wait_of(submitted.data)
        query = {"redeem_query_id": found}
        if wait >= _EARLY_S:
            early = await self._visitor.call("redeem.query", query, "early")
            if early.member("query", "is_completed") is True:
                return _cost(early)
        for _ in range(_MOST_POLLS):
            await asyncio.sleep(wait)
            poll = await self._visitor.call("redeem.query", query, "paid")
            if poll.member("query", "is_completed") is True:
                return _cost(poll)
            wait = _wait_of(poll.member("query")) or _WAIT_S
        return None


def _cost(one: Exchange) -> Number | None:
    """What a call cost, as it reported; None if that is not known."""
    if one.error is not None and not _may_have_charged(one):
        return 0
    for field in ("total_charged_credit", "total_credit_cost"):
        cost = number_of(one.member("profile", field))
        if cost is not None:
            return cost
    return None


def _may_have_charged(one: Exchange) -> bool:
    status = one.status
    refused = status is not None and 400 <= status < 500 and status != 408
    return not refused and one.error != "NotSentError"


def _balance(one: Exchange) -> Number | None:
    credit, topup = (number_of(one.member(name)) for name in ("credit", "topup_credit"))
    return None if credit is None or topup is None else credit + topup


def _wait_of(state: Any) -> float:
    """Seconds until a job should be done, by what it told."""
    told: dict[str, Any] = state if is_object(state) else {}
    unit = told.get("estimated_time_type")
    job = RedeemJob(
        redeem_query_id="",
        estimated_time=number_of(told.get("estimated_time")),
        estimated_time_type=unit if isinstance(unit, str) else None,
    )
    return min(_LONGEST_WAIT_S, estimated_seconds(job) or _WAIT_S)
