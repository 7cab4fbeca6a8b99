"""The lookups and enrichments: one person, company, job, report or advertisement."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from pubrio_async.sandbox.bodies import CompanyKey, CompanyUrl, PeopleUrl, PersonKey
from pubrio_async.sandbox.config import SandboxConfig
from pubrio_async.sandbox.ledger import Ledger
from pubrio_async.sandbox.people import encode
from pubrio_async.sandbox.rows import company_row, person_row, signal_row, technology_row
from pubrio_async.sandbox.search import company_meant, lookalikes_of
from pubrio_async.sandbox.signals import SignalKind, Signals
from pubrio_async.sandbox.wire import Answer, Fields
from pubrio_async.sandbox.world import Company, Person, World

_SHOWN_LOOKALIKES = 10


class _Job(Struct):
    job_search_id: str


class _News(Struct):
    news_search_id: str


class _Advertisement(Struct):
    advertisement_search_id: str


class LookupDesk:
    """Answers the lookups; what is not known is `{"data": null}` and free.

    None of these replies is documented. They are rows of the searches; an enrichment of a person
    comes with the employer. An enrichment and a lookup on LinkedIn cost as much as a search,
    other lookups nothing.
    """

    def __init__(
        self, config: SandboxConfig, world: World, signals: Signals, ledger: Ledger
    ) -> None:
        self._world = world
        self._signals = signals
        self._ledger = ledger
        self._people_price = config.people_search_credit
        self._company_price = config.company_search_credit

    def person(self, fields: Fields, _: float) -> Answer:
        """Answers `people.lookup`."""
        person = self._person(fields)
        return self._told(None if person is None else person_row(person), 0)

    def person_at_linkedin(self, fields: Fields, _: float) -> Answer:
        """Answers `people.linkedin_lookup`."""
        url = msgspec.convert(fields, PeopleUrl).people_linkedin_url
        person = self._world.person_by_linkedin(url)
        return self._told(None if person is None else person_row(person), self._people_price)

    def enriched_person(self, fields: Fields, _: float) -> Answer:
        """Answers `people.enrich`."""
        person = self._person(fields)
        if person is None:
            return self._told(None, 0)
        row = {**person_row(person), "company": company_row(person.company)}
        return self._told(row, self._people_price)

    def company(self, fields: Fields, _: float) -> Answer:
        """Answers `companies.lookup`."""
        company = self._company(fields)
        return self._told(None if company is None else company_row(company), 0)

    def company_at_linkedin(self, fields: Fields, _: float) -> Answer:
        """Answers `companies.linkedin_lookup`."""
        url = msgspec.convert(fields, CompanyUrl).linkedin_url
        company = self._world.company_by_linkedin(url)
        return self._told(None if company is None else company_row(company), self._company_price)

    def enriched_company(self, fields: Fields, _: float) -> Answer:
        """Answers `companies.enrich`."""
        company = self._company(fields)
        return self._told(None if company is None else company_row(company), self._company_price)

    def lookalikes(self, fields: Fields, _: float) -> Answer:
        """Answers `lookalikes.lookup`: the company and those most like it."""
        company = self._company(fields)
        if company is None:
            return self._told(None, 0)
        alike = lookalikes_of(self._world, company)[:_SHOWN_LOOKALIKES]
        rows = [{**company_row(each), "similarity_score": score} for score, each in alike]
        return self._told({**company_row(company), "lookalikes": rows}, 0)

    def technologies(self, fields: Fields, _: float) -> Answer:
        """Answers `technologies.lookup`."""
        company = self._company(fields)
        if company is None:
            return self._told(None, 0)
        return self._told(
            {
                "domain_search_id": company.domain_search_id,
                "domain": company.domain,
                "technologies": [technology_row(each) for each in company.technologies],
            },
            0,
        )

    def job(self, fields: Fields, _: float) -> Answer:
        """Answers `jobs.lookup`."""
        return self._signal("jobs", msgspec.convert(fields, _Job).job_search_id)

    def news(self, fields: Fields, _: float) -> Answer:
        """Answers `news.lookup`."""
        return self._signal("news", msgspec.convert(fields, _News).news_search_id)

    def advertisement(self, fields: Fields, _: float) -> Answer:
        """Answers `advertisements.lookup`."""
        wanted = msgspec.convert(fields, _Advertisement)
        return self._signal("advertisements", wanted.advertisement_search_id)

    def _signal(self, kind: SignalKind, search_id: str) -> Answer:
        signal = self._signals.by_id(kind, search_id)
        return self._told(None if signal is None else signal_row(signal), 0)

    def _person(self, fields: Fields) -> Person | None:
        key = msgspec.convert(fields, PersonKey)
        key.refuse_empty()
        if key.people_search_id:
            return self._world.person_by_id(key.people_search_id)
        return self._world.person_by_linkedin(key.linkedin_url or "")

    def _company(self, fields: Fields) -> Company | None:
        key = msgspec.convert(fields, CompanyKey)
        key.refuse_empty()
        return company_meant(self._world, key)

    def _told(self, data: dict[str, Any] | None, price: int) -> Answer:
        cost = 0 if data is None else self._ledger.spend(price)
        return Answer(encode({"data": data}), cost)
