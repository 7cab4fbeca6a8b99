"""From the filters of a request to a test of one company, person or signal."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

from pubrio_async.sandbox.bodies import (
    AdvertisementFilters,
    CompanyFilters,
    Conditioned,
    JobFilters,
    NewsFilters,
    PeopleFilters,
    SignalFilters,
)
from pubrio_async.sandbox.people import normalise_linkedin
from pubrio_async.sandbox.signals import Advertisement, Job, News, Signal, Signals
from pubrio_async.sandbox.vocabulary import TECHNOLOGIES, VERTICALS
from pubrio_async.sandbox.world import Company, Person, World, company_slug

T = TypeVar("T")
V = TypeVar("V")
S = TypeVar("S", bound=Signal)

_WORDS: Final = re.compile(r"[^\W_]+")
_FILLERS = frozenset({"of", "and", "the", "a", "for"})
_SHORT = {
    "ceo": ("chief", "executive", "officer"),
    "cfo": ("chief", "financial", "officer"),
    "cmo": ("chief", "marketing", "officer"),
    "coo": ("chief", "operating", "officer"),
    "cro": ("chief", "revenue", "officer"),
    "cto": ("chief", "technology", "officer"),
    "vp": ("vice", "president"),
}
_DEFAULT_SIMILARITY = 0.5
_NOBODY = -1
_TECHNOLOGY_IDS = {each.name: each.technology_id for each in TECHNOLOGIES}
_VERTICAL_IDS = {each.name: each.vertical_id for each in VERTICALS}


@lru_cache(maxsize=4096)
def words(text: str) -> frozenset[str]:
    """The words of a text or a slug, with abbreviations of titles written out."""
    found: set[str] = set()
    for word in _WORDS.findall(text.lower()):
        found.update(_SHORT.get(word) or (word,))
    return frozenset(found - _FILLERS)


def upper(codes: Sequence[str] | None) -> list[str] | None:
    """Country codes as the world writes them."""
    return None if codes is None else [code.upper() for code in codes]


class Filter(Generic[T]):
    """Tests that something has to pass, all of them. An empty list tests nothing."""

    def __init__(self, filters: Conditioned) -> None:
        """Makes one without a test."""
        self._every = filters.every()
        self._tests: list[Callable[[T], bool]] = []

    @property
    def is_open(self) -> bool:
        """Whether everything passes."""
        return not self._tests

    def accepts(self, one: T) -> bool:
        """Whether it passes."""
        return all(test(one) for test in self._tests)

    def test(self, test: Callable[[T], bool]) -> None:
        """Adds a test."""
        self._tests.append(test)

    def among(self, key: str, values: Sequence[V] | None, of: Callable[[T], Collection[V]]) -> None:
        """Any of the values must be there, or all where a condition says so."""
        if not values:
            return
        wanted = frozenset(values)
        if key in self._every:
            self.test(lambda one: wanted.issubset(of(one)))
        else:
            self.test(lambda one: not wanted.isdisjoint(of(one)))

    def without(
        self, key: str, values: Sequence[V] | None, of: Callable[[T], Collection[V]]
    ) -> None:
        """None of the values may be there; with `and`, not all of them."""
        if not values:
            return
        unwanted = frozenset(values)
        if key in self._every:
            self.test(lambda one: not unwanted.issubset(of(one)))
        else:
            self.test(lambda one: unwanted.isdisjoint(of(one)))

    def texts(self, key: str, values: Sequence[str] | None, of: Callable[[T], str]) -> None:
        """The text must have all words of any of the values, or of all."""
        if not values:
            return
        wanted = [words(value) for value in values]
        enough = all if key in self._every else any
        self.test(lambda one: _fits(words(of(one)), wanted, enough))

    def within(self, pair: tuple[Any, Any] | None, of: Callable[[T], Any]) -> None:
        """It must lie between the two, both included."""
        if pair is not None:
            lowest, highest = pair
            self.test(lambda one: lowest <= of(one) <= highest)


def _fits(
    text: frozenset[str],
    wanted: Iterable[frozenset[str]],
    enough: Callable[[Iterable[bool]], bool],
) -> bool:
    return enough(each <= text for each in wanted)


class Filters:
    """Makes filters for the world."""

    def __init__(self, world: World, signals: Signals) -> None:
        self._world = world
        self._signals = signals

    # -------------------------------------------------------------------------------- companies

    def companies(self, wanted: CompanyFilters) -> Filter[Company]:
        """The filter of `companies.search`."""
        found: Filter[Company] = Filter(wanted)
        self._which(found, wanted)
        found.texts("company_name", _listed(wanted.company_name), lambda each: each.name)
        found.among("locations", upper(wanted.locations), lambda each: (each.country.code,))
        found.without(
            "exclude_locations", upper(wanted.exclude_locations), lambda each: (each.country.code,)
        )
        found.among("places", _lower(wanted.places), _places)
        found.without("exclude_places", _lower(wanted.exclude_places), _places)
        similar = _similarity(wanted)
        found.among(
            "technologies",
            _ids(wanted.technologies, _TECHNOLOGY_IDS, similar),
            lambda each: [one.technology_id for one in each.technologies],
        )
        found.among(
            "categories",
            wanted.categories,
            lambda each: [one.category_id for one in each.technologies],
        )
        found.among(
            "verticals",
            _ids(wanted.verticals, _VERTICAL_IDS, similar),
            lambda each: (each.vertical.vertical_id,),
        )
        found.among(
            "vertical_categories",
            wanted.vertical_categories,
            lambda each: (each.vertical.category_id,),
        )
        found.among(
            "vertical_sub_categories",
            wanted.vertical_sub_categories,
            lambda each: (each.vertical.sub_category_id,),
        )
        found.among("keywords", _lower(wanted.keywords), lambda each: each.keywords)
        found.within(wanted.founded_dates, lambda each: each.founded_year)
        found.within(wanted.revenues, lambda each: each.revenue)
        ranges = wanted.employees
        if ranges:
            found.test(lambda each: any(_in_range(each.employees, one) for one in ranges))
        self._with_signals(found, wanted)
        return found

    def _which(self, found: Filter[Company], wanted: CompanyFilters | SignalFilters) -> None:
        found.among("companies", _lower(wanted.companies), lambda each: (each.domain_search_id,))
        if wanted.domains:
            named = [self._world.company_by_domain(domain) for domain in wanted.domains]
            found.among("domains", _numbers(named), lambda each: (each.number,))
        if wanted.linkedin_urls:
            pages = [company_slug(url) for url in wanted.linkedin_urls]
            found.among("linkedin_urls", pages, lambda each: (each.slug,))

    def _with_signals(self, found: Filter[Company], wanted: CompanyFilters) -> None:
        of = _company_of
        jobs = JobFilters(
            titles=wanted.job_titles,
            locations=wanted.job_locations,
            exclude_locations=wanted.job_exclude_locations,
            posted_dates=wanted.job_posted_dates,
        )
        news = NewsFilters(
            categories=wanted.news_categories,
            news_galleries=wanted.news_galleries,
            news_gallery_ids=wanted.news_gallery_ids,
            published_dates=wanted.news_published_dates,
        )
        advertisements = AdvertisementFilters(
            search_terms=wanted.advertisement_search_terms,
            target_locations=wanted.advertisement_target_locations,
            exclude_target_locations=wanted.advertisement_exclude_target_locations,
            start_dates=wanted.advertisement_start_dates,
            end_dates=wanted.advertisement_end_dates,
        )
        signals = self._signals
        for numbers in (
            of(self.jobs(jobs), signals.jobs),
            of(self.news(news), signals.news),
            of(self.advertisements(advertisements), signals.advertisements),
        ):
            if numbers is not None:
                found.among("", list(numbers) or [_NOBODY], lambda each: (each.number,))

    # ----------------------------------------------------------------------------------- people

    def people(self, wanted: PeopleFilters, *employers: CompanyFilters) -> Filter[Person]:
        """The filter of `people.search`; all of `employers` must accept who employs them."""
        found: Filter[Person] = Filter(wanted)
        if wanted.search_term:
            term = words(wanted.search_term)
            found.test(
                lambda each: term <= words(f"{each.name} {each.headline} {' '.join(each.keywords)}")
            )
        found.texts("people_name", _listed(wanted.people_name), lambda each: each.name)
        found.texts("people_titles", wanted.people_titles, lambda each: each.title)
        found.among("peoples", _lower(wanted.peoples), lambda each: (each.people_search_id,))
        if wanted.linkedin_urls:
            profiles = [normalise_linkedin(url) for url in wanted.linkedin_urls]
            found.among("linkedin_urls", profiles, _profile)
        found.among("management_levels", wanted.management_levels, lambda each: (each.level,))
        found.among(
            "departments",
            wanted.departments,
            lambda each: (each.department.slug, *department_words(each)),
        )
        found.among(
            "department_functions",
            wanted.department_functions,
            lambda each: (each.department.function,),
        )
        found.among(
            "people_locations", upper(wanted.people_locations), lambda each: (each.country.code,)
        )
        if wanted.people_groups:
            # There are no saved groups, so nobody is in one.
            found.test(lambda _: False)
        for each in employers:
            self._employed(found, self.companies(each))
        return found

    def _employed(self, found: Filter[Person], employer: Filter[Company]) -> None:
        if not employer.is_open:
            numbers = {each.number for each in self._world.companies() if employer.accepts(each)}
            found.test(lambda person: person.company.number in numbers)

    # ---------------------------------------------------------------------------------- signals

    def jobs(self, wanted: JobFilters) -> Filter[Job]:
        """The filter of `jobs.search`."""
        found: Filter[Job] = Filter(wanted)
        self._common(found, wanted)
        found.texts("titles", wanted.titles, lambda each: each.title)
        found.within(wanted.posted_dates, lambda each: each.on)
        found.among("locations", upper(wanted.locations), lambda each: (each.country.code,))
        found.without(
            "exclude_locations", upper(wanted.exclude_locations), lambda each: (each.country.code,)
        )
        return found

    def news(self, wanted: NewsFilters) -> Filter[News]:
        """The filter of `news.search`."""
        found: Filter[News] = Filter(wanted)
        self._common(found, wanted)
        found.among("categories", wanted.categories, lambda each: (each.category,))
        found.within(wanted.published_dates, lambda each: each.on)
        found.among("locations", upper(wanted.locations), lambda each: (each.company.country.code,))
        found.among(
            "news_gallery_ids", _lower(wanted.news_gallery_ids), lambda each: (each.gallery_id,)
        )
        found.among("news_galleries", wanted.news_galleries, lambda each: (each.gallery.slug,))
        found.among("news_languages", _lower(wanted.news_languages), lambda each: (each.language,))
        return found

    def advertisements(self, wanted: AdvertisementFilters) -> Filter[Advertisement]:
        """The filter of `advertisements.search`."""
        found: Filter[Advertisement] = Filter(wanted)
        self._common(found, wanted)
        found.texts("headlines", wanted.headlines, lambda each: each.title)
        found.among("target_locations", upper(wanted.target_locations), lambda each: each.targets)
        found.without(
            "exclude_target_locations",
            upper(wanted.exclude_target_locations),
            lambda each: each.targets,
        )
        found.within(wanted.start_dates, lambda each: each.on)
        found.within(wanted.end_dates, lambda each: each.until)
        found.among("source_types", wanted.source_types, lambda each: (each.source_type,))
        return found

    def _common(self, found: Filter[S], wanted: SignalFilters) -> None:
        terms = [*(_listed(wanted.search_term) or ()), *(wanted.search_terms or ())]
        found.texts("search_terms", terms, lambda each: f"{each.title} {each.company.name}")
        employer: Filter[Company] = Filter(wanted)
        self._which(employer, wanted)
        employer.among(
            "company_locations",
            upper(wanted.company_locations),
            lambda each: (each.country.code,),
        )
        if not employer.is_open:
            found.test(lambda each: employer.accepts(each.company))


def department_words(person: Person) -> tuple[str, ...]:
    """The departments of a person as rows name them."""
    if person.level in {"founder", "c_suite"}:
        return ("c_suite",)
    return (person.department.slug.removeprefix("master_"),)


def _company_of(found: Filter[S], everything: Callable[[], Iterable[S]]) -> set[int] | None:
    if found.is_open:
        return None
    return {each.company.number for each in everything() if found.accepts(each)}


def _places(company: Company) -> tuple[str, str]:
    return company.city.lower(), company.region.lower()


def _profile(person: Person) -> tuple[str | None]:
    return (normalise_linkedin(person.linkedin_url or ""),)


def _listed(text: str | None) -> list[str] | None:
    return [text] if text else None


def _lower(values: Sequence[str] | None) -> list[str] | None:
    return None if values is None else [value.lower() for value in values]


def _numbers(companies: Iterable[Company | None]) -> list[int]:
    return [_NOBODY if each is None else each.number for each in companies]


def _in_range(number: int, bounds: tuple[int, ...]) -> bool:
    return bounds[0] <= number and (len(bounds) == 1 or number <= bounds[1])


def _similarity(wanted: CompanyFilters) -> float:
    """How much alike names have to be; 1 for the same."""
    if not wanted.is_enable_similarity_search:
        return 1.0
    return _DEFAULT_SIMILARITY if wanted.similarity_score is None else wanted.similarity_score


def _ids(
    values: Sequence[int | str] | None, known: dict[str, int], similarity: float
) -> list[int] | None:
    """Ids from ids and names; a name that is not known is the id of nothing."""
    if values is None:
        return None
    found: list[int] = []
    for value in values:
        if isinstance(value, int):
            found.append(value)
            continue
        best, name = max(
            (SequenceMatcher(None, name.lower(), value.lower()).ratio(), name) for name in known
        )
        found.append(known[name] if best >= similarity else _NOBODY)
    return found
