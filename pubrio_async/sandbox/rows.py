"""Companies, people and signals as they stand in replies.

Most of these shapes are documented in part or not at all: what is documented is there under its
name, the rest is this stand-in's own.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from pubrio_async.sandbox.filtering import department_words
from pubrio_async.sandbox.signals import Advertisement, Job, News, Signal
from pubrio_async.sandbox.vocabulary import Technology
from pubrio_async.sandbox.world import Company, Person

_IMAGES = "https://images.example"


def company_row(company: Company) -> dict[str, Any]:
    """A company, as a row of `companies.search`."""
    vertical = company.vertical
    return {
        "domain_search_id": company.domain_search_id,
        "domain_id": company.domain_id,
        "domain": company.domain,
        "company_name": company.name,
        "logo_url": f"{_IMAGES}/{company.slug}.png",
        "linkedin_url": company.linkedin_url,
        "emails": [],
        "phones": [],
        "contacts": [],
        "founded_year": company.founded_year,
        "employees": company.employees,
        "revenue": company.revenue,
        "country": company.country.code,
        "city": company.city,
        "region": company.region,
        "industry": vertical.sub_category,
        "specialties": [vertical.name],
        "vertical_id": vertical.vertical_id,
        "keywords": list(company.keywords),
        "technologies": [technology.name for technology in company.technologies],
    }


def person_row(person: Person) -> dict[str, Any]:
    """A person, as a row of `people.search`."""
    company = person.company
    return {
        "people_search_id": person.people_search_id,
        "name": person.name,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "title": person.title,
        "seniority": person.level,
        "functions": [person.department.function],
        "headline": person.headline,
        "departments": list(department_words(person)),
        "subdepartments": [person.department.function],
        "keywords": list(person.keywords),
        "employment_history": [
            {
                "title": position.title,
                "current": position.end_date is None,
                "end_date": None if position.end_date is None else position.end_date.isoformat(),
                "start_date": position.start_date.isoformat(),
                "company_name": position.company_name,
            }
            for position in person.history
        ],
        "linkedin_url": person.linkedin_url,
        "country": person.country.code,
        "city": person.city,
        "company_name": company.name,
        "domain": company.domain,
        "domain_search_id": company.domain_search_id,
    }


def technology_row(technology: Technology) -> dict[str, Any]:
    """A technology, as in the reference list."""
    return {
        "technology_id": technology.technology_id,
        "name": technology.name,
        "category_id": technology.category_id,
        "category": technology.category,
    }


def signal_row(signal: Signal) -> dict[str, Any]:
    """A job, a report or an advertisement."""
    if isinstance(signal, Job):
        return {"job_search_id": signal.search_id, **_job(signal), **_employer(signal.company)}
    if isinstance(signal, News):
        return {"news_search_id": signal.search_id, **_news(signal), **_employer(signal.company)}
    return {**_advertisement(signal), **_employer(signal.company)}


def _job(job: Job) -> dict[str, Any]:
    return {
        "title": job.title,
        "country": job.country.code,
        "city": job.city,
        "is_remote": job.is_remote,
        "posted_at": midnight(job.on),
        "description": f"{job.company.name} is hiring in {job.city}: {job.title}.",
        "job_url": f"https://{job.company.domain}/jobs/{job.number}",
    }


def _news(news: News) -> dict[str, Any]:
    return {
        "title": news.title,
        "category": news.category,
        "news_gallery_id": news.gallery_id,
        "news_gallery": news.gallery.slug,
        "language": news.language,
        "country": news.company.country.code,
        "published_at": midnight(news.on),
        "news_url": f"https://{news.gallery.slug}.example/{news.number}",
    }


def _advertisement(advertisement: Advertisement) -> dict[str, Any]:
    started, name = midnight(advertisement.on), advertisement.search_id
    is_video = advertisement.form == "Video Ad"
    return {
        "advertisement_id": name,
        "advertisement_search_id": name,
        "created_at": started,
        "last_modified": started,
        "started_at": started,
        "ended_at": midnight(advertisement.until),
        "title": advertisement.title,
        "source_type": advertisement.source_type,
        "advertisement_format": advertisement.form,
        "video_url": f"{_IMAGES}/{name}.mp4" if is_video else None,
        "image_url": f"{_IMAGES}/{name}.jpg",
        "carousel_images": None,
        "destination_url": f"https://{advertisement.company.domain}/offers/{advertisement.number}",
        "target_locations": list(advertisement.targets),
    }


def _employer(company: Company) -> dict[str, Any]:
    return {
        "company_name": company.name,
        "domain": company.domain,
        "domain_search_id": company.domain_search_id,
        "company_linkedin_url": company.linkedin_url,
    }


def midnight(day: date) -> str:
    """The start of a day."""
    return f"{day.isoformat()}T00:00:00.000Z"
