"""What a run of a monitor finds, costs and would deliver. Nothing is sent anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from pubrio_async.sandbox.bodies import (
    CompanyFilters,
    JobFilters,
    NewsFilters,
    PeopleFilters,
)
from pubrio_async.sandbox.config import SandboxConfig
from pubrio_async.sandbox.filtering import Filters
from pubrio_async.sandbox.monitor_bodies import PeopleEnrichment, signal_filters
from pubrio_async.sandbox.people import TYPE_BITS, People, parse_id
from pubrio_async.sandbox.rows import company_row, person_row, signal_row
from pubrio_async.sandbox.signals import Signal, SignalKind, Signals
from pubrio_async.sandbox.wire import Fields
from pubrio_async.sandbox.world import Company, Person, World

# A signal, a company and a person cost this much each; the documented runs come close to it.
_RECORD_CREDIT = 1
_NO_WISHES: Fields = msgspec.to_builtins(PeopleEnrichment())


class Findings(Struct):
    """What a run found.

    Attributes:
        payload: What would be delivered, but for what the monitor adds.
        signals: How many signals.
        companies: How many companies.
        people: How many people.
        emails: How many of their e-mails.
        phones: How many of their phone numbers.
    """

    payload: Fields
    signals: int
    companies: int = 0
    people: int = 0
    emails: int = 0
    phones: int = 0


class Runner:
    """Runs monitors on the world."""

    def __init__(
        self, config: SandboxConfig, people: People, world: World, signals: Signals
    ) -> None:
        self._config = config
        self._people = people
        self._world = world
        self._signals = signals
        self._filters = Filters(world, signals)

    def run(self, settings: Fields) -> Findings:
        """What a monitor with these settings finds."""
        found = self._found(settings)[: settings["max_records_per_trigger"]]
        companies = {signal.company.number: signal.company for _, signal in found}
        result = Findings({}, len(found))
        rows: dict[int, Fields]
        if settings["is_company_enrichment"]:
            result.companies = len(companies)
            rows = {number: company_row(each) for number, each in companies.items()}
        else:
            rows = {number: _brief(each) for number, each in companies.items()}
        if settings["is_people_enrichment"]:
            self._add_people(settings, companies, rows, result)
        if settings["detection_mode"] == "signal_first":
            result.payload["signals"] = [
                {
                    "signal_type": kind,
                    "signal": signal_row(signal),
                    "companies": [rows[signal.company.number]],
                }
                for kind, signal in found
            ]
        else:
            for kind, signal in found:
                row = rows[signal.company.number]
                told = {"signal_type": kind, "signal": signal_row(signal)}
                row.setdefault("signals", []).append(told)
            result.payload["companies"] = list(rows.values())
        return result

    def credits(self, found: Findings) -> dict[str, int]:
        """The price of a run that is delivered, as its log tells it."""
        parts = {
            "trigger_credit": found.signals * _RECORD_CREDIT,
            "total_company_credit": found.companies * _RECORD_CREDIT,
            "total_people_credit": found.people * _RECORD_CREDIT,
            "redeem_email_credit": found.emails * self._config.email_credit,
            "redeem_phone_credit": found.phones * self._config.phone_credit,
        }
        return {**parts, "total_credit": sum(parts.values())}

    def company_ids(self, settings: Fields) -> list[str]:
        """The ids of the companies that a monitor is about, however it names them."""
        named = [
            *map(self._world.company_by_domain, settings.get("domains", ())),
            *map(self._world.company_by_linkedin, settings.get("linkedin_urls", ())),
        ]
        ids = [each.domain_search_id for each in named if each is not None]
        return list(dict.fromkeys((*settings.get("companies", ()), *ids)))

    def _found(self, settings: Fields) -> list[tuple[SignalKind, Signal]]:
        wanted = msgspec.convert(settings["company_filters"], CompanyFilters)
        employers = self._filters.companies(wanted)
        ids = frozenset(settings["companies"])
        if ids:
            employers.test(lambda each: each.domain_search_id in ids)
        chosen: dict[str, Fields] = {
            each["signal_type"]: each["filters"] for each in settings["signal_filters"]
        }
        found: list[tuple[SignalKind, Signal]] = []
        for kind in settings["signal_types"]:
            found += [
                (kind, signal)
                for signal in self._of_kind(kind, chosen.get(kind, {}))
                if employers.accepts(signal.company)
            ]
        found.sort(key=lambda pair: pair[1].on, reverse=True)
        return found

    def _of_kind(self, kind: SignalKind, fields: Fields) -> Iterator[Signal]:
        wanted = signal_filters(kind, fields)
        if isinstance(wanted, JobFilters):
            return filter(self._filters.jobs(wanted).accepts, self._signals.jobs())
        if isinstance(wanted, NewsFilters):
            return filter(self._filters.news(wanted).accepts, self._signals.news())
        accepts = self._filters.advertisements(wanted).accepts
        return filter(accepts, self._signals.advertisements())

    def _add_people(
        self,
        settings: Fields,
        companies: dict[int, Company],
        rows: dict[int, Fields],
        result: Findings,
    ) -> None:
        configs: list[Fields] = settings["people_enrichment_configs"] or [_NO_WISHES]
        for each in configs:
            accepts = self._filters.people(msgspec.convert(each["filters"], PeopleFilters))
            most = each["max_people_to_return"]
            types = sum(TYPE_BITS[name] for name in set(each["people_contact_types"]))
            taken = dict.fromkeys(companies, 0)
            for person in self._world.people_of(companies.values()):
                number = person.company.number
                if taken[number] < most and accepts.accepts(person):
                    taken[number] += 1
                    result.people += 1
                    row = self._with_contacts(person, types, result)
                    rows[number].setdefault("people", []).append(row)

    def _with_contacts(self, person: Person, types: int, result: Findings) -> dict[str, Any]:
        row = person_row(person)
        raw = parse_id(person.people_search_id)
        if types and raw is not None:
            emails, phones = self._people.contacts(self._people.digest(raw), types)
            result.emails += len(emails)
            result.phones += len(phones)
            row |= {"emails": emails, "phones": phones}
        return row


def reaches(kind: str, config: Fields) -> bool:
    """Whether a delivery gets through: to everybody but those in the reserved `.invalid`."""
    if kind == "webhook":
        host = urlsplit(str(config["webhook_url"])).hostname or ""
    else:
        host = str(config.get("email", ""))
    return not host.endswith(".invalid")


def _brief(company: Company) -> Fields:
    return {
        "domain_search_id": company.domain_search_id,
        "domain": company.domain,
        "company_name": company.name,
    }
