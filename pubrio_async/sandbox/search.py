"""The searches: people, companies, lookalikes, jobs, news, advertisements."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, TypeVar

import msgspec

from pubrio_async.sandbox.bodies import (
    AdvertisementFilters,
    CompanyFilters,
    CompanyKey,
    JobFilters,
    NewsFilters,
    Paged,
    PeopleFilters,
    PersonKey,
    company_filters_beside,
)
from pubrio_async.sandbox.config import SandboxConfig
from pubrio_async.sandbox.filtering import Filter, Filters, words
from pubrio_async.sandbox.ledger import Ledger
from pubrio_async.sandbox.paging import page_of, pagination
from pubrio_async.sandbox.people import encode
from pubrio_async.sandbox.rows import company_row, person_row, signal_row
from pubrio_async.sandbox.signals import Signals
from pubrio_async.sandbox.wire import Answer, Fields, bad_request
from pubrio_async.sandbox.world import Company, Person, World

T = TypeVar("T")

# The cap that the documented reply of `people.search` shows.
_MAX_PEOPLE_PAGES = 100
_KEPT_RESULTS = 16
_LEAST_SIMILAR_PERSON = 0.3
_LEAST_SIMILAR_COMPANY = 0.5


class SearchDesk:
    """Answers the searches.

    A search costs the same for every page. What is found is kept for the next pages, so that
    going through a result does not search again for each.
    """

    def __init__(
        self, config: SandboxConfig, world: World, signals: Signals, ledger: Ledger
    ) -> None:
        self._world = world
        self._signals = signals
        self._ledger = ledger
        self._filters = Filters(world, signals)
        self._people_price = config.people_search_credit
        self._company_price = config.company_search_credit
        self._kept: OrderedDict[bytes, Sequence[Any]] = OrderedDict()

    # ----------------------------------------------------------------------------------- people

    def people(self, fields: Fields, _: float) -> Answer:
        """Answers `people.search`."""
        page = msgspec.convert(fields, Paged)

        def find() -> Sequence[int]:
            accepts = self._people_filter(fields)
            return _numbers(accepts, self._world.size, self._world.people)

        found = self._once("people", fields, find)
        rows = [person_row(self._world.person(number)) for number in page_of(found, page)]
        told = pagination(len(found), page, display=False, max_pages=_MAX_PEOPLE_PAGES)
        rows = rows if page.page <= _MAX_PEOPLE_PAGES else []
        return self._paid({"pagination": told, "peoples": rows}, self._people_price)

    def similar_people(self, fields: Fields, _: float) -> Answer:
        """Answers `people.search_similar`: the references are not filters here."""
        page = msgspec.convert(fields, Paged)

        def find() -> Sequence[tuple[float, Person]]:
            return self._similar_people(fields)

        found = self._once("similar people", fields, find)
        rows = [
            {**person_row(person), "similarity_score": score}
            for score, person in page_of(found, page)
        ]
        told = pagination(len(found), page)
        return self._paid({"pagination": told, "peoples": rows}, self._people_price)

    def _people_filter(self, fields: Fields, *left_out: str) -> Filter[Person]:
        kept = {name: value for name, value in fields.items() if name not in left_out}
        wanted = msgspec.convert(kept, PeopleFilters)
        beside = company_filters_beside(kept)
        # The conditions for both are in one list; company filters go by their own names in it.
        beside = msgspec.structs.replace(
            beside,
            filter_conditions=tuple(
                msgspec.structs.replace(each, key=(each.key or "").removeprefix("company_"))
                for each in wanted.filter_conditions or ()
            ),
        )
        inside = [] if wanted.company_filters is None else [wanted.company_filters]
        return self._filters.people(wanted, beside, *inside)

    def _similar_people(self, fields: Fields) -> list[tuple[float, Person]]:
        key, wanted = msgspec.convert(fields, PersonKey), msgspec.convert(fields, PeopleFilters)
        titles = wanted.people_titles or ()
        ids = [*(wanted.peoples or ()), *filter(None, [key.people_search_id])]
        urls = [*(wanted.linkedin_urls or ()), *filter(None, [key.linkedin_url])]
        if not titles and not ids and not urls:
            raise bad_request(
                "One of people_search_id, linkedin_url, people_titles, peoples and linkedin_urls "
                "is required."
            )
        world = self._world
        models = [
            person
            for person in (
                *map(world.person_by_id, ids),
                *map(world.person_by_linkedin, urls),
            )
            if person is not None
        ]
        accepts = self._people_filter(fields, "people_titles", "peoples", "linkedin_urls").accepts
        title_words = [words(title) for title in titles]
        known = {model.number for model in models}
        scored: list[tuple[float, Person]] = []
        for person in world.people():
            if person.number in known or not accepts(person):
                continue
            likenesses = [_like_person(person, model) for model in models]
            likenesses += [_overlap(words(person.title), title) for title in title_words]
            score = max(likenesses, default=0.0)
            if score >= _LEAST_SIMILAR_PERSON:
                scored.append((score, person))
        scored.sort(key=itemgetter(0), reverse=True)
        return scored

    # -------------------------------------------------------------------------------- companies

    def companies(self, fields: Fields, _: float) -> Answer:
        """Answers `companies.search`."""
        page, wanted = msgspec.convert(fields, Paged), msgspec.convert(fields, CompanyFilters)

        def find() -> Sequence[int]:
            accepts = self._filters.companies(wanted)
            return _numbers(accepts, self._world.company_count, self._world.companies)

        found = self._once("companies", fields, find)
        dropped = frozenset(wanted.exclude_fields or ())
        rows = [
            _without(company_row(self._world.company(number)), dropped)
            for number in page_of(found, page)
        ]
        told = pagination(len(found), page, display=False)
        return self._paid({"pagination": told, "companies": rows}, self._company_price)

    def lookalikes(self, fields: Fields, _: float) -> Answer:
        """Answers `lookalikes.search`."""
        page, wanted = msgspec.convert(fields, Paged), msgspec.convert(fields, CompanyFilters)
        key = msgspec.convert(fields, CompanyKey)
        key.refuse_empty()
        least = wanted.similarity_score
        # The threshold is about the companies here, not about the names in the filters.
        others = msgspec.structs.replace(wanted, similarity_score=None)

        def find() -> Sequence[tuple[float, Company]]:
            model = company_meant(self._world, key)
            accepts = self._filters.companies(others).accepts
            found = lookalikes_of(self._world, model) if model is not None else []
            bound = _LEAST_SIMILAR_COMPANY if least is None else least
            return [(score, each) for score, each in found if score >= bound and accepts(each)]

        found = self._once("lookalikes", fields, find)
        rows = [
            {**company_row(company), "similarity_score": score}
            for score, company in page_of(found, page)
        ]
        told = pagination(len(found), page)
        return self._paid({"pagination": told, "companies": rows}, self._company_price)

    # ---------------------------------------------------------------------------------- signals

    def jobs(self, fields: Fields, _: float) -> Answer:
        """Answers `jobs.search`: the newest first, as in the other searches of signals."""
        accepts = self._filters.jobs(msgspec.convert(fields, JobFilters))
        return self._signals_reply("jobs", fields, accepts.accepts, self._signals.jobs)

    def news(self, fields: Fields, _: float) -> Answer:
        """Answers `news.search`."""
        accepts = self._filters.news(msgspec.convert(fields, NewsFilters))
        return self._signals_reply("news", fields, accepts.accepts, self._signals.news)

    def advertisements(self, fields: Fields, _: float) -> Answer:
        """Answers `advertisements.search`."""
        accepts = self._filters.advertisements(msgspec.convert(fields, AdvertisementFilters))
        everything = self._signals.advertisements
        return self._signals_reply("advertisements", fields, accepts.accepts, everything)

    def _signals_reply(
        self,
        name: str,
        fields: Fields,
        accepts: Callable[[Any], bool],
        everything: Callable[[], Iterable[Any]],
    ) -> Answer:
        page = msgspec.convert(fields, Paged)

        def find() -> Sequence[Any]:
            found = [each for each in everything() if accepts(each)]
            found.sort(key=lambda each: each.on, reverse=True)
            return found

        found = self._once(name, fields, find)
        rows = [signal_row(each) for each in page_of(found, page)]
        told = pagination(len(found), page)
        return self._paid({"pagination": told, name: rows}, self._company_price)

    # ------------------------------------------------------------------------------------------

    def _once(self, name: str, fields: Fields, find: Callable[[], Sequence[T]]) -> Sequence[T]:
        asked = {each: value for each, value in fields.items() if each not in {"page", "per_page"}}
        key = msgspec.json.encode((name, asked), order="sorted")
        found = self._kept.pop(key, None)
        if found is None:
            found = find()
        self._kept[key] = found
        if len(self._kept) > _KEPT_RESULTS:
            self._kept.popitem(last=False)
        return found

    def _paid(self, data: dict[str, Any], price: int) -> Answer:
        return Answer(encode({"data": data}), self._ledger.spend(price))


def company_meant(world: World, key: CompanyKey) -> Company | None:
    """The company that a body means; None if there is no such company."""
    if key.domain_search_id:
        return world.company_by_id(key.domain_search_id)
    if key.linkedin_url:
        return world.company_by_linkedin(key.linkedin_url)
    if key.domain:
        return world.company_by_domain(key.domain)
    return None if key.domain_id is None else world.company_by_domain_id(key.domain_id)


def lookalikes_of(world: World, model: Company) -> list[tuple[float, Company]]:
    """All other companies with how much they are like this one, the most alike first."""
    scored = [
        (_like_company(each, model), each)
        for each in world.companies()
        if each.number != model.number
    ]
    scored.sort(key=itemgetter(0), reverse=True)
    return scored


def _numbers(
    accepts: Filter[T], count: int, everything: Callable[[], Iterable[T]]
) -> Sequence[int]:
    # Without a filter nobody but those on the page is looked at, nor made.
    if accepts.is_open:
        return range(count)
    return [number for number, each in enumerate(everything()) if accepts.accepts(each)]


def _without(row: dict[str, Any], dropped: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in dropped}


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    both = one | other
    return round(len(one & other) / len(both), 3) if both else 0.0


def _like_person(person: Person, model: Person) -> float:
    score = (
        0.3 * _overlap(words(person.title), words(model.title))
        + 0.2 * (person.department is model.department)
        + 0.2 * (person.level == model.level)
        + 0.2 * (person.company.vertical.category_id == model.company.vertical.category_id)
        + 0.1 * (person.country is model.country)
    )
    return round(score, 3)


def _like_company(company: Company, model: Company) -> float:
    one, other = company.vertical, model.vertical
    smaller, larger = sorted((company.employees, model.employees))
    score = (
        0.3 * (one.category_id == other.category_id)
        + 0.2 * (one.sub_category_id == other.sub_category_id)
        + 0.2 * (smaller / larger)
        + 0.2 * (company.country is model.country)
        + 0.1
        * _overlap(
            frozenset(each.name for each in company.technologies),
            frozenset(each.name for each in model.technologies),
        )
    )
    return round(score, 3)
