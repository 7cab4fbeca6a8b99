"""The made-up world: companies and the people who work there, each from its number alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import TypeVar

from msgspec import Struct

from pubrio_async.sandbox.people import People, format_id, normalise_linkedin, parse_id
from pubrio_async.sandbox.vocabulary import (
    COMPANY_FIRST,
    COMPANY_LAST,
    COMPANY_SIZES,
    COUNTRIES,
    DEPARTMENTS,
    KEYWORDS,
    LEVEL_OF_PERCENT,
    TECHNOLOGIES,
    VERTICALS,
    Country,
    Department,
    Technology,
    Vertical,
)

T = TypeVar("T")

# The last day of the world; nothing in it is younger. The sandbox's own clock starts here, too.
TODAY = date(2025, 1, 1)
_FIRST_DOMAIN_ID = 100_000
_PEOPLE_PER_COMPANY = 10
_PERSON = "made-up-person-"
_COMPANY_URL = re.compile(r"https?://(?:[^/?#@]*\.)?linkedin\.com/company/([^/?#]+)", re.IGNORECASE)
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")
_HOST = re.compile(r"^(?:https?://)?(?:www\.)?([^/?#:]+)", re.IGNORECASE)


class Draws:
    """Small numbers that are read off one hash."""

    __slots__ = ("_left",)

    def __init__(self, digest: bytes) -> None:
        self._left = int.from_bytes(digest, "big")

    def below(self, bound: int) -> int:
        """A number from 0 up to but not including `bound`."""
        self._left, number = divmod(self._left, bound)
        return number

    def pick(self, choices: Sequence[T]) -> T:
        """One of several."""
        return choices[self.below(len(choices))]

    def some(self, choices: Sequence[T], count: int) -> tuple[T, ...]:
        """Up to `count` different ones, in the order of `choices`."""
        numbers = {self.below(len(choices)) for _ in range(count)}
        return tuple(choices[number] for number in sorted(numbers))

    def day(self, days: int) -> date:
        """One of the last `days` days."""
        return TODAY - timedelta(days=self.below(days))


class Company(Struct, frozen=True, gc=False):
    """A company.

    Attributes:
        number: Which one it is, from 0.
        domain_search_id: Its id, a hash.
        name: Its name; another company may have the same.
        domain: Its domain, under the reserved `.example`; tells the number.
        country: Where it sits.
        city: The city.
        region: The region of the city.
        vertical: What it does.
        employees: How many work there.
        founded_year: Since when.
        revenue: A year's, in dollars.
        technologies: What it uses.
        keywords: What it says of itself.
    """

    number: int
    domain_search_id: str
    name: str
    domain: str
    country: Country
    city: str
    region: str
    vertical: Vertical
    employees: int
    founded_year: int
    revenue: int
    technologies: tuple[Technology, ...]
    keywords: tuple[str, ...]

    @property
    def domain_id(self) -> int:
        """Its other id."""
        return _FIRST_DOMAIN_ID + self.number

    @property
    def slug(self) -> str:
        """Its name in the URL of its LinkedIn page."""
        return self.domain.removesuffix(".example")

    @property
    def linkedin_url(self) -> str:
        """Its LinkedIn page."""
        return f"https://www.linkedin.com/company/{self.slug}"


class Position(Struct, frozen=True, gc=False):
    """A job somebody has or had."""

    title: str
    company_name: str
    start_date: date
    end_date: date | None


class Person(Struct, frozen=True, gc=False):
    """Somebody who works somewhere.

    Attributes:
        number: Which one it is, from 0.
        people_search_id: The id, a hash.
        first_name: As in the contacts that a redeem finds.
        last_name: As in the contacts that a redeem finds.
        title: What it says on the door.
        level: A slug of the management levels.
        department: Where in the company.
        country: Where the person lives.
        city: The city.
        keywords: Skills.
        company: The employer.
        linkedin_url: The profile; None for those whom no URL resolves to.
        history: The present position first.
    """

    number: int
    people_search_id: str
    first_name: str
    last_name: str
    title: str
    level: str
    department: Department
    country: Country
    city: str
    keywords: tuple[str, ...]
    company: Company
    linkedin_url: str | None
    history: tuple[Position, ...]

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}"

    @property
    def headline(self) -> str:
        """The line below the name."""
        return f"{self.title} at {self.company.name}"


class World:
    """All companies and people that can be searched.

    Nobody is made before somebody asks: each is made from its number and the seed, and kept. A
    person has the id that a redeem finds behind the profile's URL, and the name that is in the
    addresses a redeem finds.
    """

    def __init__(self, people: People, size: int) -> None:
        """`size` is the number of people."""
        self._source = people
        self.size = size
        self.company_count: int = max(1, size // _PEOPLE_PER_COMPANY)
        self._people: dict[int, Person] = {}
        self._companies: dict[int, Company] = {}
        self._numbers: dict[bytes, int] | None = None
        self._company_numbers: dict[str, int] | None = None

    def draws(self, *about: object) -> Draws:
        """The numbers that make up what this is about."""
        return Draws(self._source.digest(repr(("world", *about)).encode()))

    def make_id(self, *about: object) -> str:
        """The id of what this is about."""
        return format_id(self._source.make_id("world", *about))

    # -------------------------------------------------------------------------------- companies

    def company(self, number: int) -> Company:
        """The company with this number."""
        found = self._companies.get(number)
        if found is None:
            found = self._companies[number] = self._make_company(number)
        return found

    def companies(self) -> Iterator[Company]:
        """All of them."""
        return map(self.company, range(self.company_count))

    def company_by_id(self, domain_search_id: str) -> Company | None:
        """The company with this id."""
        if self._company_numbers is None:
            self._company_numbers = {
                self.make_id("company", number): number for number in range(self.company_count)
            }
        number = self._company_numbers.get(domain_search_id.lower())
        return None if number is None else self.company(number)

    def company_by_domain_id(self, domain_id: int) -> Company | None:
        """The company with this number of its domain."""
        return self._company_if_any(domain_id - _FIRST_DOMAIN_ID)

    def company_by_domain(self, domain: str) -> Company | None:
        """The company with this domain, which may be in any case and in a URL."""
        host = _HOST.match(domain.strip())
        return None if host is None else self._company_by_slug(host[1].lower(), ".example")

    def company_by_linkedin(self, url: str) -> Company | None:
        """The company with this LinkedIn page."""
        slug = company_slug(url)
        return None if slug is None else self._company_by_slug(slug, "")

    def _company_by_slug(self, slug: str, ending: str) -> Company | None:
        company = self._company_if_any(_number(slug.removesuffix(ending).rpartition("-")[2]))
        return company if company is not None and company.slug + ending == slug else None

    def _company_if_any(self, number: int) -> Company | None:
        return self.company(number) if 0 <= number < self.company_count else None

    def _make_company(self, number: int) -> Company:
        draws = self.draws("company", number)
        first, last = draws.pick(COMPANY_FIRST), draws.pick(COMPANY_LAST)
        lowest, highest = draws.pick(COMPANY_SIZES)
        employees = lowest + draws.below((highest or lowest * 10) - lowest + 1)
        country = draws.pick(COUNTRIES)
        city, region = draws.pick(country.places)
        return Company(
            number=number,
            domain_search_id=self.make_id("company", number),
            name=f"{first} {last}",
            domain=f"{first}{last}-{number}.example".lower(),
            country=country,
            city=city,
            region=region,
            vertical=draws.pick(VERTICALS),
            employees=employees,
            founded_year=1950 + draws.below(75),
            revenue=employees * (40 + draws.below(160)) * 1000,
            technologies=draws.some(TECHNOLOGIES, 5),
            keywords=draws.some(KEYWORDS, 3),
        )

    # ----------------------------------------------------------------------------------- people

    def person(self, number: int) -> Person:
        """The person with this number."""
        found = self._people.get(number)
        if found is None:
            found = self._people[number] = self._make_person(number)
        return found

    def people(self) -> Iterator[Person]:
        """All of them."""
        return map(self.person, range(self.size))

    def person_by_id(self, people_search_id: str) -> Person | None:
        """The person with this id."""
        if self._numbers is None:
            self._numbers = {self._raw(number): number for number in range(self.size)}
        raw = parse_id(people_search_id)
        number = None if raw is None else self._numbers.get(raw)
        return None if number is None else self.person(number)

    def person_by_linkedin(self, url: str) -> Person | None:
        """The person with this profile."""
        profile = normalise_linkedin(url)
        raw = self._source.at_linkedin(url)
        if profile is None or raw is None:
            return None
        number = _number(profile.removeprefix(f"in/{_PERSON}"))
        return self.person(number) if 0 <= number < self.size else None

    def people_of(self, companies: Iterable[Company]) -> Iterator[Person]:
        """Who works at these companies."""
        wanted = {company.number for company in companies}
        return (person for person in self.people() if person.company.number in wanted)

    def _raw(self, number: int) -> bytes:
        return self._source.make_id("linkedin", f"in/{_PERSON}{number}")

    def _make_person(self, number: int) -> Person:
        raw = self._raw(number)
        first, last = self._source.name(self._source.digest(raw))
        draws = self.draws("person", number)
        company = self.company(draws.below(self.company_count))
        level = draws.pick(LEVEL_OF_PERCENT)
        department = draws.pick(DEPARTMENTS)
        title = _title(level, department)
        # Most live where the company sits.
        country = company.country if draws.below(4) else draws.pick(COUNTRIES)
        url = f"https://www.linkedin.com/in/{_PERSON}{number}"
        since = draws.day(3000).replace(day=1)
        history = [Position(title, company.name, since, None)]
        if draws.below(2):
            before = self.company(draws.below(self.company_count))
            start = (since - timedelta(days=400 + draws.below(2000))).replace(day=1)
            earlier = _title("senior" if level != "entry" else "entry", department)
            history.append(Position(earlier, before.name, start, since - timedelta(days=1)))
        return Person(
            number=number,
            people_search_id=format_id(raw),
            first_name=first.title(),
            last_name=last.title(),
            title=title,
            level=level,
            department=department,
            country=country,
            city=draws.pick(country.places)[0],
            keywords=draws.some(KEYWORDS, 3),
            company=company,
            linkedin_url=None if self._source.at_linkedin(url) is None else url,
            history=tuple(history),
        )


def company_slug(url: str) -> str | None:
    """The last part of the URL of a company's LinkedIn page; None if it is none."""
    match = _COMPANY_URL.match(url.strip())
    return None if match is None else match[1].lower()


def _number(text: str) -> int:
    """The number a text is the usual spelling of; -1 if it is none."""
    return int(text) if _NUMBER.fullmatch(text) else -1


def _title(level: str, department: Department) -> str:
    titles = {
        "founder": "Founder & CEO",
        "c_suite": f"Chief {department.chief} Officer",
        "vp": f"VP of {department.name}",
        "head": f"Head of {department.name}",
        "director": f"Director of {department.name}",
        "manager": f"{department.name} Manager",
        "senior": f"Senior {department.worker}",
        "entry": department.worker,
    }
    return titles[level]
