"""What happens at the companies of the world: open jobs, news, advertisements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from pubrio_async.sandbox.vocabulary import (
    ADVERTISEMENT_FORMATS,
    ADVERTISEMENT_SOURCES,
    COUNTRIES,
    DEPARTMENTS,
    NEWS_CATEGORIES,
    NEWS_GALLERIES,
    NEWS_LANGUAGES,
    OFFERS,
    Country,
    Gallery,
)
from pubrio_async.sandbox.world import Company, World

SignalKind = Literal["jobs", "news", "advertisements"]

# How many there are of each for a company.
_PER_COMPANY: Final[dict[SignalKind, int]] = {"jobs": 4, "news": 3, "advertisements": 2}
_DAYS = 180
_JOB_TITLES = tuple(
    title
    for department in DEPARTMENTS
    for title in (
        department.worker,
        f"Senior {department.worker}",
        f"{department.name} Manager",
        f"Head of {department.name}",
    )
)


class Job(Struct, frozen=True, gc=False):
    """An open position."""

    number: int
    search_id: str
    company: Company
    title: str
    country: Country
    city: str
    on: date
    is_remote: bool


class News(Struct, frozen=True, gc=False):
    """A report about a company."""

    number: int
    search_id: str
    company: Company
    title: str
    category: str
    gallery: Gallery
    gallery_id: str
    language: str
    on: date


class Advertisement(Struct, frozen=True, gc=False):
    """An advertisement of a company."""

    number: int
    search_id: str
    company: Company
    title: str
    source_type: str
    form: str
    targets: tuple[str, ...]
    on: date
    until: date


Signal: TypeAlias = Job | News | Advertisement


class Signals:
    """All of them: the signal with number n is about the company n modulo their number."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._made: dict[tuple[str, int], Signal] = {}
        self._numbers: dict[str, dict[str, int]] = {}
        self.gallery_ids: dict[str, str] = {
            each.slug: world.make_id("gallery", each.slug) for each in NEWS_GALLERIES
        }

    def count(self, kind: SignalKind) -> int:
        """How many there are of a kind."""
        return self._world.company_count * _PER_COMPANY[kind]

    def jobs(self) -> Iterator[Job]:
        """All open jobs."""
        return map(self.job, range(self.count("jobs")))

    def news(self) -> Iterator[News]:
        """All news."""
        return map(self.report, range(self.count("news")))

    def advertisements(self) -> Iterator[Advertisement]:
        """All advertisements."""
        return map(self.advertisement, range(self.count("advertisements")))

    def job(self, number: int) -> Job:
        """The job with this number."""
        found = self._made.get(("jobs", number))
        if not isinstance(found, Job):
            found = self._make_job(number)
            self._made["jobs", number] = found
        return found

    def report(self, number: int) -> News:
        """The news with this number."""
        found = self._made.get(("news", number))
        if not isinstance(found, News):
            found = self._make_news(number)
            self._made["news", number] = found
        return found

    def advertisement(self, number: int) -> Advertisement:
        """The advertisement with this number."""
        found = self._made.get(("advertisements", number))
        if not isinstance(found, Advertisement):
            found = self._make_advertisement(number)
            self._made["advertisements", number] = found
        return found

    def by_id(self, kind: SignalKind, search_id: str) -> Signal | None:
        """The signal of a kind with this id."""
        numbers = self._numbers.get(kind)
        if numbers is None:
            numbers = self._numbers[kind] = {
                self._world.make_id(kind, number): number for number in range(self.count(kind))
            }
        number = numbers.get(search_id.lower())
        makers: dict[SignalKind, Callable[[int], Signal]]
        makers = {"jobs": self.job, "news": self.report, "advertisements": self.advertisement}
        return None if number is None else makers[kind](number)

    def _company(self, number: int) -> Company:
        return self._world.company(number % self._world.company_count)

    def _make_job(self, number: int) -> Job:
        draws = self._world.draws("jobs", number)
        company = self._company(number)
        country = company.country if draws.below(3) else draws.pick(COUNTRIES)
        return Job(
            number=number,
            search_id=self._world.make_id("jobs", number),
            company=company,
            title=draws.pick(_JOB_TITLES),
            country=country,
            city=draws.pick(country.places)[0],
            on=draws.day(_DAYS),
            is_remote=not draws.below(3),
        )

    def _make_news(self, number: int) -> News:
        draws = self._world.draws("news", number)
        company = self._company(number)
        category, _, deed = draws.pick(NEWS_CATEGORIES)
        gallery = draws.pick(NEWS_GALLERIES)
        return News(
            number=number,
            search_id=self._world.make_id("news", number),
            company=company,
            title=f"{company.name} {deed}",
            category=category,
            gallery=gallery,
            gallery_id=self.gallery_ids[gallery.slug],
            language=draws.pick(NEWS_LANGUAGES)[0],
            on=draws.day(_DAYS),
        )

    def _make_advertisement(self, number: int) -> Advertisement:
        draws = self._world.draws("advertisements", number)
        company = self._company(number)
        start = draws.day(_DAYS)
        return Advertisement(
            number=number,
            search_id=self._world.make_id("advertisements", number),
            company=company,
            title=f"{company.name}: {draws.pick(OFFERS)}",
            source_type=draws.pick(ADVERTISEMENT_SOURCES),
            form=draws.pick(ADVERTISEMENT_FORMATS),
            targets=tuple(country.code for country in draws.some(COUNTRIES, 3)),
            on=start,
            until=start + timedelta(days=7 + draws.below(60)),
        )
